// Names in a chunkserver's directory (chunkd/FORMAT.md, "Names").
import { HANDLE_MAX } from "../protocol/record.ts";

export const CHUNK_SUFFIX = ".chunk";
export const COPY_SUFFIX = ".copy";

/** Of the `count`-th foreign file (from 1) that was in the way of one handle's replica. */
export function keptSuffix(count: number): string {
  return count === 1 ? ".kept" : `.${count}.kept`;
}

export function chunksDirectory(directory: string): string {
  return `${directory}/chunks`;
}

/** `handle` as 16 hex digits and `suffix`. */
export function fileName(handle: number, suffix: string): string {
  return handle.toString(16).padStart(16, "0") + suffix;
}

/** The handle that a chunk file's name stands for, or undefined when it is no such name. */
export function parseChunkName(name: string): number | undefined {
  return parseName(name, CHUNK_SUFFIX);
}

/** Whether it is the name of a copy under way. */
export function isCopyName(name: string): boolean {
  return parseName(name, COPY_SUFFIX) !== undefined;
}

/** Whether it is the name of a foreign file that was moved aside. */
export function isKeptName(name: string): boolean {
  return /^[0-9a-f]{16}(\.\d+)?\.kept$/.test(name);
}

function parseName(name: string, suffix: string): number | undefined {
  if (name.length !== 16 + suffix.length || !name.endsWith(suffix) || !/^[0-9a-f]{16}\./.test(name)) {
    return undefined;
  }
  const handle = Number.parseInt(name.slice(0, 16), 16);
  return handle >= 1 && handle <= HANDLE_MAX ? handle : undefined;
}
