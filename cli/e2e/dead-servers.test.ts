// F02, F10, F42: chunkservers that are killed, hang or are slow. Reads go on from whoever answers, writes are refused in
// time where there is no quorum, and all is well again soon after.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { bytesOf } from "./content.ts";
import { PlainS3 } from "./plain-s3.ts";
import { paused, pidOf, processOf } from "./processes.ts";
import { type Skerry, startSkerry, until } from "./skerry.ts";

const BUCKET = "dead";
const KEYS = 40;
/** A GET while replicas are silent: one hedge after another, and nothing more. */
const GET_MS_MAX = 4_000;
/** A PUT that finds no quorum has its answer by then: a primary that says nothing is given 10 s. */
const REFUSAL_MS_MAX = 15_000;
/** The next one, once it is known: it waits for as long as a restart takes. */
const KNOWN_REFUSAL_MS_MAX = 9_000;
const RECOVERY_MS_MAX = 20_000;

let cloud: Skerry;
let s3: PlainS3;

beforeAll(async () => {
  cloud = await startSkerry();
  s3 = new PlainS3(cloud.credentials.s3);
  await s3.expect("PUT", `/${BUCKET}`);
  for (let n = 0; n < KEYS; n++) await s3.put(BUCKET, `small-${n}`, contentOf(n));
}, 180_000);

afterAll(async () => {
  await cloud?.[Symbol.asyncDispose]();
}, 60_000);

function contentOf(n: number): Buffer {
  return bytesOf(n + 1, 10_000 + n * 997);
}

async function timed<T>(work: Promise<T>): Promise<{ ms: number; value: T }> {
  const start = performance.now();
  const value = await work;
  return { ms: performance.now() - start, value };
}

/** Reads every object; resolves with the time of the slowest. */
async function readAll(): Promise<number> {
  let slowest = 0;
  for (let n = 0; n < KEYS; n++) {
    const { ms, value } = await timed(s3.get(BUCKET, `small-${n}`));
    expect(value?.equals(contentOf(n))).toBe(true);
    slowest = Math.max(slowest, ms);
  }
  return slowest;
}

async function writesAgain(): Promise<number> {
  const { ms } = await timed(
    until(
      async () => (await s3.call("PUT", `/${BUCKET}/again`, { body: contentOf(0) })).status === 200,
      RECOVERY_MS_MAX,
    ),
  );
  return ms;
}

test("with two of three silent, reads go on from the third and writes get 503 with Retry-After", async () => {
  {
    using _silent = paused(cloud, "chunkd-1", "chunkd-2");
    expect(await readAll()).toBeLessThan(GET_MS_MAX);
    const put = await timed(s3.call("PUT", `/${BUCKET}/refused`, { body: contentOf(1), timeoutMs: 60_000 }));
    expect([put.value.status, put.value.headers.get("retry-after")]).toEqual([
      503,
      expect.stringMatching(/^\d+$/),
    ]);
    expect(put.ms).toBeLessThan(REFUSAL_MS_MAX);
    const next = await timed(s3.call("PUT", `/${BUCKET}/refused`, { body: contentOf(1), timeoutMs: 60_000 }));
    expect([next.value.status, next.ms < KNOWN_REFUSAL_MS_MAX]).toEqual([503, true]);
    expect(await readAll()).toBeLessThan(GET_MS_MAX);
  }
  await writesAgain();
  expect(await s3.get(BUCKET, "refused")).toBeUndefined();
}, 120_000);

test.each(["killed", "silent"])(
  "one that is %s delays no request beyond the bound",
  async (how) => {
    const pid = processOf(cloud, "chunkd-3");
    using silent = how === "silent" ? paused(cloud, "chunkd-3") : undefined;
    if (silent === undefined) process.kill(pid, "SIGKILL");
    const slowest = Math.max(await readAll(), (await timed(s3.put(BUCKET, "one-down", contentOf(2)))).ms);
    expect(slowest).toBeLessThan(8_000);
    expect((await s3.get(BUCKET, "one-down"))?.equals(contentOf(2))).toBe(true);
    if (how === "killed") await until(() => ![pid, undefined].includes(pidOf(cloud, "chunkd-3")));
  },
  120_000,
);

test("one that answers a fifth of the time costs a hedge, not its slowness", async () => {
  const pid = processOf(cloud, "chunkd-2");
  let slow = true;
  const stutter = (async () => {
    while (slow) {
      process.kill(pid, "SIGSTOP");
      await Bun.sleep(800);
      process.kill(pid, "SIGCONT");
      await Bun.sleep(200);
    }
  })();
  const gets: number[] = [];
  const puts: number[] = [];
  try {
    for (let n = 0; n < 4 * KEYS; n++) {
      gets.push((await timed(s3.get(BUCKET, `small-${n % KEYS}`))).ms);
      if (n % 4 === 0) puts.push((await timed(s3.put(BUCKET, `stutter-${n}`, contentOf(n)))).ms);
    }
  } finally {
    slow = false;
    await stutter;
  }
  const p95 = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.95)]!;
  expect(p95(gets)).toBeLessThan(700);
  expect(p95(puts)).toBeLessThan(2_500);
}, 120_000);
