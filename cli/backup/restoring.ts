// `restoring.json`: there while a restore replaces one part of a data directory after the other. Whatever stops it in between
// leaves parts of two moments behind, on which nothing may start.
import { readFile, rm } from "node:fs/promises";
import { syncDirectory, writeDurably } from "../../std/durable-file.ts";
import { CommandError } from "../command.ts";
import type { DataDirectory } from "../data-directory.ts";

/** `again`: the command that ends it. */
export async function markRestoring(data: DataDirectory, again: string): Promise<void> {
  await writeDurably(data.restoringFile, `${JSON.stringify({ again })}\n`, 0o600);
}

export async function unmarkRestoring(data: DataDirectory): Promise<void> {
  await rm(data.restoringFile);
  await syncDirectory(data.path);
}

/** Throws {@link CommandError} where a restore did not come to its end. */
export async function refuseHalfRestored(data: DataDirectory): Promise<void> {
  const text = await readFile(data.restoringFile, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  if (text === undefined) return;
  throw new CommandError(`${data.path} is half restored; end it with: ${againIn(text)}`);
}

function againIn(text: string): string {
  try {
    return String((JSON.parse(text) as { again?: unknown }).again);
  } catch {
    return "skerry restore";
  }
}
