// Looks at chunk files on disk from outside, as an auditor would: names, sizes and hashes.
import { createReadStream, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Directories of the chunkservers of an `up` on one machine. */
export function chunkDirectories(dataDirectory: string): string[] {
  return readdirSync(dataDirectory)
    .filter((name) => /^chunkd-\d+$/.test(name))
    .map((name) => join(dataDirectory, name, "chunks"))
    .filter(existsSync);
}

export async function hashFile(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("blake2b256");
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hasher.update(piece);
  return hasher.digest("hex");
}

/** What differs between the replicas on disk, a line each; empty when each chunk is there three times, byte-equal. */
export async function replicaDifferences(dataDirectory: string): Promise<string[]> {
  const directories = chunkDirectories(dataDirectory);
  if (directories.length !== 3) return [`${directories.length} chunk directories`];
  const names = new Set(directories.flatMap((directory) => readdirSync(directory)));
  const differences: string[] = [];
  for (const name of names) {
    const paths = directories.map((directory) => join(directory, name));
    const missing = paths.filter((path) => !existsSync(path));
    if (missing.length > 0) {
      differences.push(`${name} is missing ${missing.length} times`);
      continue;
    }
    const hashes = new Set(await Promise.all(paths.map(hashFile)));
    if (hashes.size !== 1) differences.push(`${name} differs`);
  }
  return differences;
}
