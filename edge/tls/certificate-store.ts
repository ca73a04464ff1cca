// The gateway's certificate on disk: DIR/{ca.pem,ca.key,server.pem,server.key}, made and renewed at a start.
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory, writeDurably } from "../../std/durable-file.ts";
import {
  type CertificatePair,
  createAuthority,
  isSignedBy,
  issueCertificate,
  keyMatches,
  readCertificate,
} from "./authority.ts";
import type { CertificateNames } from "./names.ts";

/** A certificate that ends sooner is renewed at a start. */
const RENEW_BEFORE_MS = 30 * 86_400_000;

/** The files do not fit together, or are no certificates: they are never replaced silently. */
export class CertificateError extends Error {
  override name = "CertificateError";
  readonly code = "BAD_CERTIFICATE";
}

export interface ServerCertificate extends CertificatePair {
  /** Path of the authority's certificate, to be given to clients. */
  authorityPath: string;
}

/** The certificate for `names` in `directory`; made when absent, renewed when it ends soon or the names changed. */
export async function loadCertificate(
  directory: string,
  names: CertificateNames,
  now: number,
): Promise<ServerCertificate> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const authorityPath = join(directory, "ca.pem");
  const authority =
    (await readPair(directory, "ca")) ?? (await store(directory, "ca", await createAuthority(now)));
  const present = await readPair(directory, "server");
  if (present && (await isUsable(present, authority, names, now))) return { ...present, authorityPath };
  const issued = await store(directory, "server", await issueCertificate(authority, names, now));
  return { ...issued, authorityPath };
}

async function isUsable(
  pair: CertificatePair,
  authority: CertificatePair,
  names: CertificateNames,
  now: number,
): Promise<boolean> {
  const facts = readCertificate(pair.certificate);
  return (
    facts.notAfter - now > RENEW_BEFORE_MS &&
    Bun.deepEquals(facts.names, names) &&
    (await isSignedBy(pair.certificate, authority.certificate))
  );
}

/**
 * The pair `name`, or undefined where it was never finished: the key is written first, so that a certificate without
 * its key is damage. A server's pair can be issued again; an authority's cannot, since clients trust this one.
 */
async function readPair(directory: string, name: "ca" | "server"): Promise<CertificatePair | undefined> {
  const paths = { certificate: join(directory, `${name}.pem`), key: join(directory, `${name}.key`) };
  const [certificate, key] = await Promise.all([readText(paths.certificate), readText(paths.key)]);
  if (certificate === undefined) return undefined;
  const fits = key !== undefined && (await keyMatches({ certificate, key }).catch(() => false));
  if (fits) return { certificate, key };
  if (name === "server") return undefined;
  throw new CertificateError(
    `${paths.certificate} and ${paths.key} do not belong together; put both back from a backup, ` +
      "or remove both for a new authority, which every client must then be told to trust",
  );
}

async function store(directory: string, name: string, pair: CertificatePair): Promise<CertificatePair> {
  await writeDurably(join(directory, `${name}.key`), pair.key, 0o600);
  await writeDurably(join(directory, `${name}.pem`), pair.certificate, 0o644);
  await syncDirectory(directory);
  return pair;
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
