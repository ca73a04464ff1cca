// F09, F11: disks that are full and processes that may open no more files. What needs no room goes on; everything is
// back without a restart once there is room.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesOf } from "./content.ts";
import { PlainS3 } from "./plain-s3.ts";
import { openFiles, processOf, withFileLimit } from "./processes.ts";
import { type Skerry, skerry, startSkerry, until } from "./skerry.ts";
import { CAN_MOUNT, SmallDisk } from "./small-disk.ts";

const BUCKET = "full";
const KEYS = 20;
const REFUSAL_MS_MAX = 20_000;
const RECOVERY_MS_MAX = 45_000;

let cloud: Skerry;
let s3: PlainS3;
let base: string;
let disks: SmallDisk[] = [];
let masterDisk: SmallDisk | undefined;

beforeAll(async () => {
  if (!CAN_MOUNT) return;
  base = mkdtempSync(join(tmpdir(), "skerry-full-"));
  disks = [1, 2, 3].map((n) => new SmallDisk(join(base, `disk-${n}`), 512 << 20));
  cloud = await startSkerry(...disks.flatMap(({ directory }) => ["--disk", directory]));
  await giveMasterASmallDisk();
  s3 = new PlainS3(cloud.credentials.s3);
  await s3.expect("PUT", `/${BUCKET}`);
  for (let n = 0; n < KEYS; n++) await s3.put(BUCKET, `key-${n}`, contentOf(n));
}, 180_000);

afterAll(async () => {
  if (!CAN_MOUNT) return;
  await cloud?.stop();
  masterDisk?.[Symbol.dispose]();
  await cloud?.[Symbol.asyncDispose]();
  for (const disk of disks) disk[Symbol.dispose]();
  rmSync(base, { recursive: true, force: true });
}, 60_000);

/** Journal and catalog on a disk of their own. */
async function giveMasterASmallDisk(): Promise<void> {
  await cloud.stop();
  const directory = join(cloud.directory, "masterd");
  renameSync(directory, `${directory}.before`);
  masterDisk = new SmallDisk(directory, 256 << 20);
  cpSync(`${directory}.before`, directory, { recursive: true });
  rmSync(`${directory}.before`, { recursive: true });
  await cloud.start();
}

function contentOf(n: number): Buffer {
  return bytesOf(n + 1, 5_000 + n * 4_001);
}

async function expectReads(gone: readonly number[] = []): Promise<void> {
  const expected: string[] = [];
  for (let n = 0; n < KEYS; n++) {
    const found = await s3.get(BUCKET, `key-${n}`);
    if (gone.includes(n)) expect(found).toBeUndefined();
    else {
      expect(found?.equals(contentOf(n))).toBe(true);
      expected.push(`key-${n}`);
    }
  }
  expect(await s3.list(BUCKET, "key-")).toEqual(expected.toSorted());
}

/** An upload of 3 MB is refused with `status` in time. */
async function expectRefusal(statuses: readonly number[]): Promise<void> {
  const start = performance.now();
  const { status } = await s3.call("PUT", `/${BUCKET}/refused`, { body: bytesOf(9, 3_000_000) });
  expect(statuses).toContain(status);
  expect(performance.now() - start).toBeLessThan(REFUSAL_MS_MAX);
}

/** Whether one more commit of the master is refused, in time. */
async function refusesCommit(): Promise<boolean> {
  const start = performance.now();
  const { status } = await s3.call("PUT", `/${BUCKET}/last-${"k".repeat(900)}`, { body: contentOf(2) });
  expect([200, 503, 507]).toContain(status);
  expect(performance.now() - start).toBeLessThan(REFUSAL_MS_MAX);
  return status !== 200;
}

async function writesAgain(): Promise<void> {
  await until(
    async () => (await s3.call("PUT", `/${BUCKET}/again`, { body: contentOf(3) })).status === 200,
    RECOVERY_MS_MAX,
  );
  expect((await s3.get(BUCKET, "again"))?.equals(contentOf(3))).toBe(true);
}

async function restarts(): Promise<number> {
  return (await cloud.roles()).reduce((sum, role) => sum + role.restarts, 0);
}

test.skipIf(!CAN_MOUNT)(
  "one chunk disk of three full: writes go on with two replicas, and status tells of the third",
  async () => {
    const before = await restarts();
    disks[0]!.fill();
    for (let n = 0; n < 10; n++) await s3.put(BUCKET, `two-${n}`, bytesOf(n, 300_000));
    for (let n = 0; n < 10; n++) expect(await s3.get(BUCKET, `two-${n}`)).toEqual(bytesOf(n, 300_000));
    await expectReads();
    await until(
      async () => /chunks? lacks? replicas?/.test((await skerry("status", "--data", cloud.directory)).stdout),
      RECOVERY_MS_MAX,
    );
    disks[0]!.drain();
    await until(
      async () => /all chunks have their/.test((await skerry("status", "--data", cloud.directory)).stdout),
      RECOVERY_MS_MAX,
    );
    expect(await restarts()).toBe(before);
  },
  120_000,
);

test.skipIf(!CAN_MOUNT)(
  "all chunk disks full: GET, LIST and DELETE go on, PUT says so, and nothing restarts",
  async () => {
    const before = await restarts();
    for (const disk of disks) disk.fill();
    await expectRefusal([503, 507]);
    await expectReads();
    await s3.delete(BUCKET, "key-0");
    await expectReads([0]);
    for (const disk of disks) disk.drain();
    await writesAgain();
    await s3.put(BUCKET, "key-0", contentOf(0));
    expect(await restarts()).toBe(before);
  },
  120_000,
);

test.skipIf(!CAN_MOUNT)(
  "the master's disk full: GET and LIST go on, writes are refused, and all is back with room",
  async () => {
    // The master frees some space itself when it meets the end of it, so that one refusal may not be followed by another.
    await until(async () => {
      masterDisk!.fill();
      return await refusesCommit();
    }, RECOVERY_MS_MAX);
    await expectReads();
    masterDisk!.drain();
    await writesAgain();
    await expectReads();
  },
  120_000,
);

test.skipIf(!CAN_MOUNT)(
  "a chunkserver that may open no more files fails no read, and is back when it may",
  async () => {
    const pid = processOf(cloud, "chunkd-1");
    {
      using _limit = withFileLimit(pid, openFiles(pid));
      await expectReads();
    }
    await writesAgain();
    expect(processOf(cloud, "chunkd-1")).toBe(pid);
  },
  120_000,
);

test.skipIf(!CAN_MOUNT)(
  "a gateway that may open no more files serves whom it has, and all when it may",
  async () => {
    const pid = processOf(cloud, "edge");
    const start = performance.now();
    {
      using _limit = withFileLimit(pid, openFiles(pid) + 2);
      const crowd = Array.from({ length: 30 }, () =>
        s3.call("GET", `/${BUCKET}/key-1`, { timeoutMs: 3_000 }).then(
          ({ body }) => body.equals(contentOf(1)),
          () => undefined,
        ),
      );
      expect(await Promise.all(crowd)).not.toContain(false);
    }
    await until(async () => (await s3.get(BUCKET, "key-1"))?.equals(contentOf(1)) === true, RECOVERY_MS_MAX);
    expect(processOf(cloud, "edge")).toBe(pid);
    expect(performance.now() - start).toBeLessThan(RECOVERY_MS_MAX);
  },
  120_000,
);
