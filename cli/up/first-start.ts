// The secrets of a new cloud. They are written down before anything uses them, so that a first start which was cut off
// anywhere is finished by the next one with the same secrets.
import { readFile, rm } from "node:fs/promises";
import { syncDirectory, writeDurably } from "../../std/durable-file.ts";
import type { Random } from "../../std/random.ts";
import { CommandError } from "../command.ts";
import type { DataDirectory } from "../data-directory.ts";

/** `first-start.json`: there until the administrator and the key pair are made and told. */
export interface FirstSecrets {
  user: string;
  password: string;
  accessKeyId: string;
  secretAccessKey: string;
}

const ADMIN = "admin";
/** Nothing that looks like something else: it may be read aloud or typed. */
const LEGIBLE = "abcdefghijkmnpqrstuvwxyz23456789";
/** The form of the keys that the auth service makes. */
const UPPER_ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const ALPHANUMERIC = `${UPPER_ALPHANUMERIC}abcdefghijklmnopqrstuvwxyz`;

/**
 * Makes the cluster's identity on the first start, `clusterId` for one whose data was elsewhere before; the first
 * secrets while that start is not through.
 */
export async function prepareSecrets(
  data: DataDirectory,
  random: Random,
  clusterId = random.bytes(16).toString("hex"),
): Promise<FirstSecrets | undefined> {
  const pending = await readJson<FirstSecrets>(data.firstStartFile);
  if (await Bun.file(data.clusterFile).exists()) return pending;
  const secrets = pending ?? {
    user: ADMIN,
    password: randomPassword(random),
    accessKeyId: `SK${draw(random, UPPER_ALPHANUMERIC, 18)}`,
    secretAccessKey: draw(random, ALPHANUMERIC, 40),
  };
  if (!pending) await writeJson(data.firstStartFile, secrets);
  await writeJson(data.clusterFile, {
    clusterId,
    clusterSecret: random.bytes(32).toString("hex"),
    controlSecret: random.bytes(32).toString("hex"),
  });
  return secrets;
}

/** The first start is through: later ones make and tell no secrets. */
export async function forgetFirstSecrets(data: DataDirectory): Promise<void> {
  await rm(data.firstStartFile, { force: true });
  await syncDirectory(data.path);
}

/**
 * Writes what the gateway may know of the cluster to `run/`, and returns the path: without the control secret a
 * process can read and append, but neither seal nor delete chunks.
 */
export async function writeApisCluster(data: DataDirectory): Promise<string> {
  const cluster = await readJson<Record<string, string>>(data.clusterFile);
  if (!cluster) throw new CommandError(`${data.clusterFile} is missing; put it back from a backup`);
  const { clusterId, clusterSecret } = cluster;
  const path = data.at("run", "cluster-apis.json");
  await writeJson(path, { clusterId, clusterSecret });
  return path;
}

async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new CommandError(`cannot read ${path}: ${(error as Error).message}; put it back from a backup`);
  }
}

function writeJson(path: string, value: unknown): Promise<void> {
  return writeDurably(path, `${JSON.stringify(value, null, 2)}\n`, 0o600);
}

/** 24 letters and digits, 118 bits. */
export function randomPassword(random: Random): string {
  return draw(random, LEGIBLE, 24);
}

/** `length` letters of `alphabet`, each as likely as the other: bytes that would favour some are drawn again. */
function draw(random: Random, alphabet: string, length: number): string {
  const fair = 256 - (256 % alphabet.length);
  let text = "";
  while (text.length < length) {
    for (const byte of random.bytes(length)) {
      if (byte < fair && text.length < length) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}
