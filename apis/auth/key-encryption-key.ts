import { chmod, mkdir, readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { writeDurably } from "../../std/durable-file.ts";
import type { Log } from "../../std/log.ts";
import type { Random } from "../../std/random.ts";
import { AuthError } from "./errors.ts";
import { SEALING_KEY_SIZE } from "./sealed-box.ts";

const FILE_MODE = 0o600;

/**
 * The key that seals secrets in the database, kept in a file outside it so that a dump gives nothing away. Makes the file
 * when it is absent and nothing was sealed yet; throws `kek_missing` when something was, `kek_invalid` for a file that is no key.
 */
export async function loadKeyEncryptionKey(
  path: string,
  { sealedBefore, random, log }: { sealedBefore: boolean; random: Random; log: Log },
): Promise<Buffer> {
  const text = await readFile(path, "utf8").catch(absentAsUndefined);
  if (text !== undefined) {
    await closeToOthers(path, log);
    return parse(text, path);
  }
  if (sealedBefore) {
    throw new AuthError(
      "kek_missing",
      `The key file ${path} is missing, and the secrets in the auth database cannot be read without it: ` +
        `put it back from a backup. If it is lost for good, remove the rows of access_keys and signing_keys ` +
        `and make the keys anew`,
    );
  }
  const key = random.bytes(SEALING_KEY_SIZE);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeDurably(path, `${key.toString("hex")}\n`, FILE_MODE);
  log.info("made the key-encryption key; back it up apart from the database", { path });
  return key;
}

function parse(text: string, path: string): Buffer {
  const hex = text.trim();
  if (/^[0-9a-f]{64}$/.test(hex)) return Buffer.from(hex, "hex");
  throw new AuthError(
    "kek_invalid",
    `The key file ${path} does not hold 64 hexadecimal digits: put it back from a backup`,
  );
}

/** A restored backup may have come with a wider mode. */
async function closeToOthers(path: string, log: Log): Promise<void> {
  const { mode } = await stat(path);
  if ((mode & 0o077) === 0) return;
  log.warn("the key file was open to other users; closing it", { path, mode: (mode & 0o777).toString(8) });
  await chmod(path, FILE_MODE);
}

function absentAsUndefined(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
