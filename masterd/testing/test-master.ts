// A master on the real disk and loopback, in a directory of its own, and what tests say to it.
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ClusterSecrets } from "../../chunkd/protocol/handshake.ts";
import { type Extent, recordSize } from "../../chunkd/protocol/record.ts";
import { systemClock } from "../../std/clock.ts";
import { systemDisk } from "../../std/disk.ts";
import { silentLog } from "../../std/log.ts";
import { systemNet } from "../../std/net.ts";
import { systemRandom } from "../../std/random.ts";
import type { Attributes, ObjectData } from "../protocol/messages.ts";
import { type Master, type MasterEnvironment, type MasterOptions, startMaster } from "../server/start.ts";

export const TEST_SECRETS: ClusterSecrets = {
  clusterId: "0123456789abcdef0123456789abcdef",
  clusterSecret: "the secret of every part",
  controlSecret: "the secret of master and chunkservers",
};

export const testEnvironment: MasterEnvironment = {
  clock: systemClock,
  disk: systemDisk,
  net: systemNet,
  random: systemRandom,
  log: silentLog,
};

const cleanups: (() => Promise<unknown> | unknown)[] = [];

/** Runs `cleanup` when the test is over; {@link cleanUp} does it. */
export function atEnd(cleanup: () => Promise<unknown> | unknown): void {
  cleanups.push(cleanup);
}

/** For afterEach: ends what the test began, newest first. */
export async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}

export async function testDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "skerry-masterd-"));
  atEnd(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** What a crash would leave of a running master's directory: all that was written, and no clean end. */
export async function crashedCopy(directory: string): Promise<string> {
  const copy = await testDirectory();
  await cp(directory, copy, { recursive: true });
  return copy;
}

export async function startTestMaster(
  options: Partial<MasterOptions> = {},
  env: Partial<MasterEnvironment> = {},
): Promise<Master & { directory: string }> {
  const directory = options.directory ?? (await testDirectory());
  const master = await startMaster(
    { ...testEnvironment, ...env },
    { listen: "127.0.0.1:0", secrets: TEST_SECRETS, tickMs: 10, recogniseMs: 0, ...options, directory },
  );
  atEnd(() => master.close());
  return { ...master, directory };
}

export const NO_ATTRIBUTES: Attributes = { headers: {}, metadata: {}, checksums: {} };

export function md5(text: string): string {
  return new Bun.CryptoHasher("md5").update(text).digest("hex");
}

/** An object of no bytes whose etag tells it from others. */
export function emptyData(tag = ""): ObjectData {
  return { size: 0, etag: md5(tag), extents: [] };
}

/** The `index`-th record of `size` bytes in a chunk where all are of that size. */
export function extentAt(handle: number, index = 0, size = 1000): Extent {
  return { handle, offset: 64 + index * recordSize(size), length: size, checksum: index };
}

export function dataIn(handle: number, index = 0, size = 1000): ObjectData {
  return { size, etag: md5(`${handle}/${index}`), extents: [extentAt(handle, index, size)] };
}

/** The code of the error that `promise` rejects with, or "resolved". */
export function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "resolved",
    (error: { code?: string }) => error.code ?? String(error),
  );
}

const POLL_MS = 5;
const WAIT_MS = 8_000;

/** Resolves once `holds` does; rejects when it does not within seconds. */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await Bun.sleep(POLL_MS);
  }
}
