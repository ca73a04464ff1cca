import { createHash } from "node:crypto";
import { measureDurableAppends, measureSequentialWrite } from "./disk.ts";
import { measureLoopback } from "./loopback.ts";

/** What the machine does without any storage system in between. MB are 10^6 bytes. */
export interface MachineFigures {
  loopbackMBps: number;
  diskWriteMBps: number;
  durableAppendsPerSecond: number;
  md5MBps: number;
}

const DISK_WRITE_BYTES = 512 << 20;
const SMOKE_DISK_WRITE_BYTES = 1 << 20;
const MD5_BLOCK_SIZE = 1 << 20;

/** Measures one thing after another, `seconds` each; `scratch` is a directory on the disk that counts. */
export async function measureMachine(
  scratch: string,
  seconds: number,
  smoke: boolean,
): Promise<MachineFigures> {
  return {
    loopbackMBps: await measureLoopback(seconds),
    diskWriteMBps: await measureSequentialWrite(scratch, smoke ? SMOKE_DISK_WRITE_BYTES : DISK_WRITE_BYTES),
    durableAppendsPerSecond: await measureDurableAppends(scratch, seconds),
    md5MBps: measureMd5(seconds),
  };
}

/** MD5 on one core: every S3 server owes one over each body, for the ETag. */
function measureMd5(seconds: number): number {
  const block = Buffer.alloc(MD5_BLOCK_SIZE, 1);
  const hash = createHash("md5");
  const start = performance.now();
  let bytes = 0;
  while (performance.now() - start < seconds * 1000) {
    hash.update(block);
    bytes += block.length;
  }
  hash.digest();
  return bytes / 1e3 / (performance.now() - start);
}
