// The files without which a backup could not be used on another machine.
import { mkdir, readdir, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { BackupError } from "../../masterd/store/backup-file.ts";
import { writeDurably } from "../../std/durable-file.ts";
import type { DataDirectory } from "../data-directory.ts";

/** What the databases and the chunkservers of the backup go with: these replace what is there. */
const BOUND = ["cluster.json", "auth/kek"];
/** What may have changed since for good reason: these come back only where they are missing. */
const LOOSE = "credentials.json";
const TLS = "tls";
/** Of their section: some keys and certificates. */
export const SECRETS_SIZE_MAX = 1 << 20;

export type Secrets = Readonly<Record<string, string>>;

const schema = z.record(
  z.string().regex(/^(cluster\.json|auth\/kek|credentials\.json|tls\/\w[\w.-]*)$/),
  z.string(),
);

/** By path below the data directory; those that are there. */
export async function readSecrets(data: DataDirectory): Promise<Secrets> {
  const names = await readdir(data.at(TLS)).catch(absent);
  const paths = [...BOUND, LOOSE, ...(names ?? []).map((name) => `${TLS}/${name}`)];
  const found: Record<string, string> = {};
  for (const path of paths) {
    const content = await readFile(data.at(path), "utf8").catch(absent);
    if (content !== undefined) found[path] = content;
  }
  return found;
}

/** Throws {@link BackupError} for what is no section of secrets. */
export function parseSecrets(text: string): Secrets {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new BackupError("its secrets are not understood: a newer version made it", { cause });
  }
}

/** Writes them into `data`; what they replace is kept under its name with `suffix`. */
export async function installSecrets(data: DataDirectory, secrets: Secrets, suffix: string): Promise<void> {
  for (const [name, content] of Object.entries(secrets)) {
    const path = data.at(name);
    const present = await readFile(path, "utf8").catch(absent);
    if (present === content || (present !== undefined && !BOUND.includes(name))) continue;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    if (present !== undefined) await rename(path, `${path}${suffix}`);
    await writeDurably(path, content, 0o600);
  }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
