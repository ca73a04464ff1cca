// P9: what each process holds at most while many large objects come in at once, and while a very large one goes in and out.
// SKERRY_ENDURANCE_UPLOAD_MIB=64 SKERRY_ENDURANCE_OBJECT_MIB=10240 bun test cli/e2e/memory.test.ts is the whole measure;
// it writes 38 GB and then 32 GB below TMPDIR, and removes them.
import { expect, test } from "bun:test";
import { Caller } from "./caller.ts";
import { md5Of, md5OfStream, piecesOf } from "./content.ts";
import { PlainS3 } from "./plain-s3.ts";
import { forgetPeak, peakBytes, processOf } from "./processes.ts";
import { type Skerry, startSkerry } from "./skerry.ts";

const MIB = 1 << 20;
const UPLOAD_BYTES = Number(process.env.SKERRY_ENDURANCE_UPLOAD_MIB ?? 3) * MIB;
const OBJECT_BYTES = Number(process.env.SKERRY_ENDURANCE_OBJECT_MIB ?? 192) * MIB;
const UPLOADS = 200;
const PART_BYTES = 64 * MIB;
const PARTS_AT_ONCE = 4;
/** Of each process. */
const RSS_MAX = 400 * MIB;
const ROLES = ["edge", "masterd", "chunkd-1", "chunkd-2", "chunkd-3"];
const BUCKET = "memory";
/** On a busy machine; beside starting and stopping. */
const BYTES_PER_MS_MIN = 4_000;
const REST_MS = 180_000;

function timeoutMs(bytes: number): number {
  return REST_MS + bytes / BYTES_PER_MS_MIN;
}

/** Runs `load`, tells the peak of each role in it, and wants none above the limit. */
async function measured(cloud: Skerry, what: string, load: () => Promise<void>): Promise<void> {
  const pids = ROLES.map((role) => processOf(cloud, role));
  for (const pid of pids) forgetPeak(pid);
  await load();
  const peaks = ROLES.map((role, index) => `${role} ${Math.round(peakBytes(pids[index]!) / MIB)}`);
  console.log(`memory: ${what}: at most ${peaks.join(", ")} MiB resident`);
  for (const pid of pids) expect(peakBytes(pid)).toBeLessThan(RSS_MAX);
}

async function startWithBucket(): Promise<{ cloud: Skerry; s3: PlainS3 }> {
  const cloud = await startSkerry();
  const s3 = new PlainS3(cloud.credentials.s3);
  await s3.expect("PUT", `/${BUCKET}`);
  return { cloud, s3 };
}

test(
  `${UPLOADS} uploads of ${UPLOAD_BYTES / MIB} MiB at once`,
  async () => {
    const { cloud, s3 } = await startWithBucket();
    await using _ = cloud;
    const put = async (n: number): Promise<void> => {
      const caller = await Caller.open(cloud.credentials.s3.endpoint);
      caller.beginPut(s3, `/${BUCKET}/${n}`, UPLOAD_BYTES);
      await caller.sendAll(piecesOf(n, UPLOAD_BYTES));
      expect(await caller.answer()).toBe(200);
      caller.socket.destroy();
    };
    await measured(cloud, `${UPLOADS} uploads of ${UPLOAD_BYTES / MIB} MiB`, async () => {
      await Promise.all(Array.from({ length: UPLOADS }, (_, n) => put(n)));
    });
    const last = await s3.send("GET", `/${BUCKET}/${UPLOADS - 1}`, { timeoutMs: REST_MS });
    expect(await md5OfStream(last.body!)).toBe(md5Of(piecesOf(UPLOADS - 1, UPLOAD_BYTES)));
  },
  timeoutMs(UPLOADS * UPLOAD_BYTES),
);

test(
  `an object of ${OBJECT_BYTES / MIB} MiB in and out`,
  async () => {
    const { cloud, s3 } = await startWithBucket();
    await using _ = cloud;
    const parts = Array.from({ length: Math.ceil(OBJECT_BYTES / PART_BYTES) }, (_, n) =>
      Math.min(PART_BYTES, OBJECT_BYTES - n * PART_BYTES),
    );
    await measured(cloud, `an object of ${OBJECT_BYTES / MIB} MiB in`, async () => {
      await s3.uploadParts(BUCKET, "large", parts.length, PARTS_AT_ONCE, async (n, query) => {
        const caller = await Caller.open(cloud.credentials.s3.endpoint);
        caller.beginPut(s3, `/${BUCKET}/large`, parts[n]!, query);
        await caller.sendAll(piecesOf(n, parts[n]!));
        expect(await caller.answer()).toBe(200);
        caller.socket.destroy();
        return /^etag: (.*)\r$/im.exec(caller.received)![1]!;
      });
    });
    await measured(cloud, `an object of ${OBJECT_BYTES / MIB} MiB out`, async () => {
      const { body } = await s3.send("GET", `/${BUCKET}/large`, { timeoutMs: timeoutMs(OBJECT_BYTES) });
      const expected = md5Of(parts.values().flatMap((size, n) => piecesOf(n, size)));
      expect(await md5OfStream(body!)).toBe(expected);
    });
  },
  timeoutMs(3 * OBJECT_BYTES),
);
