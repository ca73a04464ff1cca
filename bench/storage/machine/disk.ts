import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { systemRandom } from "../../../std/random.ts";

const BLOCK_SIZE = 8 << 20;
const APPEND_SIZE = 4096;

async function withFile<T>(
  directory: string,
  use: (file: Awaited<ReturnType<typeof open>>) => Promise<T>,
): Promise<T> {
  const path = join(directory, `skerry-bench-${systemRandom.bytes(6).toString("hex")}`);
  const file = await open(path, "wx", 0o600);
  try {
    return await use(file);
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}

/** Megabytes (10^6) a second of one sequential write of `bytes`, the fdatasync at its end included. */
export function measureSequentialWrite(directory: string, bytes: number): Promise<number> {
  const block = systemRandom.bytes(Math.min(BLOCK_SIZE, bytes));
  return withFile(directory, async (file) => {
    const start = performance.now();
    let written = 0;
    while (written < bytes) written += (await file.write(block)).bytesWritten;
    await file.datasync();
    return written / 1e3 / (performance.now() - start);
  });
}

/** Appends of 4 KiB a second, each made durable by fdatasync before the next. */
export function measureDurableAppends(directory: string, seconds: number): Promise<number> {
  const block = systemRandom.bytes(APPEND_SIZE);
  return withFile(directory, async (file) => {
    const start = performance.now();
    let appends = 0;
    while (performance.now() - start < seconds * 1000) {
      await file.write(block);
      await file.datasync();
      appends++;
    }
    return appends / ((performance.now() - start) / 1000);
  });
}
