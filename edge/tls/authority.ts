// The local certificate authority: it vouches for this gateway to those who were given ca.pem, and to nobody else.
import "./reflect-metadata.ts";
import { isIP } from "node:net";
import type { X509Certificate } from "@peculiar/x509";
import type { CertificateNames } from "./names.ts";

// Not a static import: Bun evaluates a CommonJS package before the modules that are imported above it.
const x509 = await import("@peculiar/x509");

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3650;
/** Apple's platforms refuse a server's certificate that is valid for longer. */
const LEAF_DAYS_MAX = 398;
/** A clock that is a little behind must not refuse a new certificate. */
const BACKDATE_MS = 3_600_000;

/** PEM texts; `key` is PKCS #8 and a secret. */
export interface CertificatePair {
  certificate: string;
  key: string;
}

/** A new authority that may sign servers' certificates alone. `now` in ms since the epoch. */
export async function createAuthority(now: number): Promise<CertificatePair> {
  const keys = await generateKeys();
  const serial = serialNumber();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial,
    // Tells the authorities of two clouds apart where both were added to one browser.
    name: `CN=Skerry local CA ${serial.slice(-8)}, O=Skerry`,
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(now + AUTHORITY_DAYS * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: pem(certificate), key: await exportKey(keys.privateKey) };
}

/** A server's certificate for `names`, signed by `authority`; its PEM holds the certificate alone. */
export async function issueCertificate(
  authority: CertificatePair,
  names: CertificateNames,
  now: number,
): Promise<CertificatePair> {
  const issuer = new x509.X509Certificate(authority.certificate);
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: `CN=${commonName(names)}`,
    issuer: issuer.subject,
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(Math.min(now - BACKDATE_MS + LEAF_DAYS_MAX * DAY_MS, issuer.notAfter.getTime())),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: await importKey(authority.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        ...names.dns.map((value) => ({ type: "dns", value }) as const),
        ...names.ip.map((value) => ({ type: "ip", value }) as const),
      ]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  return { certificate: pem(certificate), key: await exportKey(keys.privateKey) };
}

/** What there is to know of a certificate before it is used. */
export interface CertificateFacts {
  names: CertificateNames;
  /** ms since the epoch. */
  notAfter: number;
}

/** Throws where `certificate` is no PEM certificate. */
export function readCertificate(certificate: string): CertificateFacts {
  const parsed = new x509.X509Certificate(certificate);
  const names = parsed.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [];
  const ofType = (type: string) => names.filter((name) => name.type === type).map((name) => name.value);
  return {
    names: { dns: ofType("dns").sort(), ip: ofType("ip").sort() },
    notAfter: parsed.notAfter.getTime(),
  };
}

/** Whether `authority` has signed `certificate`. */
export async function isSignedBy(certificate: string, authority: string): Promise<boolean> {
  const issuer = new x509.X509Certificate(authority);
  return new x509.X509Certificate(certificate).verify({ publicKey: issuer, signatureOnly: true });
}

/** Whether `key` is the private key of `certificate`. */
export async function keyMatches({ certificate, key }: CertificatePair): Promise<boolean> {
  const probe = Buffer.from("skerry");
  const signature = await crypto.subtle.sign(ALGORITHM, await importKey(key), probe);
  const publicKey = await new x509.X509Certificate(certificate).publicKey.export();
  return crypto.subtle.verify(ALGORITHM, publicKey, signature, probe);
}

/** The longest name is 64 characters (RFC 5280, ub-common-name); clients read the alternative names anyway. */
function commonName(names: CertificateNames): string {
  return (
    names.dns.find((name) => !name.startsWith("*") && name.length <= 64 && isIP(name) === 0) ?? "localhost"
  );
}

function generateKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

/** 127 random bits, positive (RFC 5280, section 4.1.2.2). */
function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return Buffer.from(bytes).toString("hex");
}

async function exportKey(key: CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;
}

function importKey(text: string): Promise<CryptoKey> {
  const [bytes] = x509.PemConverter.decode(text);
  if (!bytes) throw new TypeError("no PEM key");
  return crypto.subtle.importKey("pkcs8", bytes, ALGORITHM, false, ["sign"]);
}

function pem(certificate: X509Certificate): string {
  return `${certificate.toString("pem")}\n`;
}
