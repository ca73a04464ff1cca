// F18, F39, F41: clients that leave, dawdle or come in a crowd, and reads of what is being changed.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Caller } from "./caller.ts";
import { bytesOf, md5Of, piecesOf } from "./content.ts";
import { PlainS3 } from "./plain-s3.ts";
import { forgetPeak, openFiles, peakBytes, processOf, residentBytes } from "./processes.ts";
import { type Skerry, startSkerry, until } from "./skerry.ts";

const BUCKET = "slow";
const LARGE = 40_000_000;
const RSS_MAX = 400 << 20;
/** Requests that the S3 port takes at once. */
const IN_FLIGHT_MAX = 1024;
/** Large uploads that the HTTPS port takes at once. */
const TLS_UPLOADS_MAX = 64;

let cloud: Skerry;
let s3: PlainS3;

beforeAll(async () => {
  cloud = await startSkerry();
  s3 = new PlainS3(cloud.credentials.s3);
  await s3.expect("PUT", `/${BUCKET}`);
}, 180_000);

afterAll(async () => {
  await cloud?.[Symbol.asyncDispose]();
}, 60_000);

const open = () => Caller.open(cloud.credentials.s3.endpoint);

/** The head of a PUT of `length` bytes to `caller`, without its body. */
function beginPut(caller: Caller, key: string, length: number): Caller {
  return caller.beginPut(s3, `/${BUCKET}/${key}`, length);
}

function largeContent(seed: number): Buffer {
  return Buffer.concat([...piecesOf(seed, LARGE)]);
}

test("a GET under way gives the whole object as it was, whatever happens to the key", async () => {
  await s3.put(BUCKET, "changing", largeContent(1));
  const before = await s3.send("GET", `/${BUCKET}/changing`);
  const reader = before.body!.getReader();
  const pieces: Uint8Array[] = [(await reader.read()).value!];
  await s3.put(BUCKET, "changing", largeContent(2));
  const between = await s3.send("GET", `/${BUCKET}/changing`);
  await s3.delete(BUCKET, "changing");
  for (let next = await reader.read(); !next.done; next = await reader.read()) pieces.push(next.value);
  expect(md5Of(pieces)).toBe(md5Of(piecesOf(1, LARGE)));
  expect(md5Of([Buffer.from(await between.arrayBuffer())])).toBe(md5Of(piecesOf(2, LARGE)));
  expect(await s3.get(BUCKET, "changing")).toBeUndefined();
}, 60_000);

test("readers during overwrites and deletes see one version or none, never a mixture", async () => {
  const versions = Array.from({ length: 6 }, (_, n) => bytesOf(n + 1, 3_000_000 + n));
  const known = new Map(versions.map((body) => [md5Of([body]), body.length]));
  let writing = true;
  const seen = new Map<string, number>();
  const readers = Array.from({ length: 4 }, async () => {
    while (writing) {
      const body = await s3.get(BUCKET, "contended");
      const name = body === undefined ? "none" : md5Of([body]);
      if (body !== undefined && known.get(name) !== body.length) throw new Error("a mixture was read");
      seen.set(name, (seen.get(name) ?? 0) + 1);
    }
  });
  try {
    for (let turn = 0; turn < 24; turn++) {
      if (turn % 5 === 4) await s3.delete(BUCKET, "contended");
      else await s3.put(BUCKET, "contended", versions[turn % versions.length]!);
    }
  } finally {
    writing = false;
  }
  await Promise.all(readers);
  expect(seen.size).toBeGreaterThan(2);
}, 60_000);

test("uploads that break off leave no object and no connection", async () => {
  const edge = processOf(cloud, "edge");
  const files = openFiles(edge);
  for (let round = 0; round < 4; round++) {
    const callers = await Promise.all(Array.from({ length: 25 }, open));
    for (const [index, caller] of callers.entries()) {
      beginPut(caller, `broken-${index}`, 4 << 20);
      caller.socket.write(bytesOf(index + 1, (1 + (index % 3)) << 19), () =>
        index % 2 === 0 ? caller.socket.destroy() : caller.socket.resetAndDestroy(),
      );
    }
    await until(() => callers.every(({ closed }) => closed));
  }
  expect(await s3.list(BUCKET, "broken-")).toEqual([]);
  await until(() => openFiles(edge) <= files + 5, 10_000);
  expect(residentBytes(edge)).toBeLessThan(RSS_MAX);
}, 60_000);

test("a crowd beyond the limit is told to slow down, and the rest is served", async () => {
  const edge = processOf(cloud, "edge");
  const files = openFiles(edge);
  const body = Buffer.from("0123456789");
  const callers: Caller[] = [];
  // Each keeps its body back, so that all of them are under way at once.
  for (let n = 0; n < IN_FLIGHT_MAX + 100; n++)
    callers.push(beginPut(await open(), `crowd-${n}`, body.length));
  const refused = () => callers.filter(({ status }) => status !== undefined);
  await until(() => refused().length >= 100, 20_000);
  for (const { status, received } of refused()) {
    expect(status).toBe(503);
    expect(received).toMatch(/retry-after: \d/i);
    expect(received).toContain("<Code>SlowDown</Code>");
  }
  expect(residentBytes(edge)).toBeLessThan(RSS_MAX);
  const waiting = callers.filter(({ status }) => status === undefined);
  // Uploads that were broken off a moment ago may still be under way.
  expect(waiting.length).toBeLessThanOrEqual(IN_FLIGHT_MAX);
  expect(waiting.length).toBeGreaterThan(IN_FLIGHT_MAX - 100);
  for (const { socket } of waiting) socket.write(body);
  await until(() => waiting.every(({ status }) => status !== undefined), 30_000);
  expect(waiting.filter(({ status }) => status !== 200)).toHaveLength(0);
  // It recovers at once: nothing is left of the crowd.
  const start = performance.now();
  await s3.put(BUCKET, "after", body);
  expect(performance.now() - start).toBeLessThan(5_000);
  for (const { socket } of callers) socket.destroy();
  await until(() => openFiles(edge) <= files + 5, 10_000);
}, 90_000);

test("uploads over HTTPS for which there is no memory are told to slow down, and the rest is served", async () => {
  const edge = processOf(cloud, "edge");
  const { port } = new URL(cloud.credentials.console.url);
  const overTls = new PlainS3({
    ...cloud.credentials.s3,
    endpoint: `https://storage.skerry.localhost:${port}`,
  });
  const body = bytesOf(9, 4 << 20);
  const callers: Caller[] = [];
  forgetPeak(edge);
  // Each keeps back its last byte, and sends more than is taken in ahead of a reader.
  for (let n = 0; n < TLS_UPLOADS_MAX + 60; n++) {
    const caller = (await Caller.open(cloud.credentials.console.url)).beginPut(
      overTls,
      `/${BUCKET}/tls-${n}`,
      body.length,
    );
    caller.socket.write(body.subarray(0, -1));
    callers.push(caller);
  }
  await until(() => callers.filter(({ status }) => status !== undefined).length >= 60, 30_000);
  for (const { status, received } of callers.filter((caller) => caller.status !== undefined)) {
    expect(status).toBe(503);
    expect(received).toMatch(/retry-after: \d/i);
    expect(received).toContain("<Code>SlowDown</Code>");
  }
  const waiting = callers.filter(({ status }) => status === undefined);
  expect(waiting.length).toBe(TLS_UPLOADS_MAX);
  for (const { socket } of waiting) socket.write(body.subarray(-1));
  await until(() => waiting.every(({ status }) => status !== undefined), 60_000);
  expect(waiting.filter(({ status }) => status !== 200)).toHaveLength(0);
  expect(peakBytes(edge)).toBeLessThan(RSS_MAX);
  for (const { socket } of callers) socket.destroy();
  expect(await s3.list(BUCKET, "tls-")).toHaveLength(waiting.length);
}, 120_000);

test("hundreds of clients that send a byte now and then, or take none, delay nobody", async () => {
  const edge = processOf(cloud, "edge");
  await s3.put(BUCKET, "large", largeContent(3));
  const dawdlers = await Promise.all(Array.from({ length: 200 }, open));
  for (const [index, caller] of dawdlers.entries()) {
    if (index % 4 === 0) caller.socket.write("PUT /slow/never HTTP/1.1\r\nHost: x\r\nX-A: ");
    else if (index % 4 === 1) {
      caller.socket.pause();
      const headers = Object.entries(s3.signed("GET", `/${BUCKET}/large`)).map(
        ([name, value]) => `${name}: ${value}\r\n`,
      );
      caller.socket.write(`GET /${BUCKET}/large HTTP/1.1\r\n${headers.join("")}\r\n`);
    } else beginPut(caller, `dawdle-${index}`, 8 << 20).socket.write("x");
  }
  const drip = setInterval(() => {
    for (const [index, { socket }] of dawdlers.entries()) if (index % 4 !== 1) socket.write("x");
  }, 200);
  try {
    let slowest = 0;
    for (let n = 0; n < 6; n++) {
      const start = performance.now();
      await s3.put(BUCKET, "prompt", bytesOf(n + 1, 200_000));
      expect((await s3.get(BUCKET, "prompt"))?.equals(bytesOf(n + 1, 200_000))).toBe(true);
      slowest = Math.max(slowest, performance.now() - start);
    }
    expect(slowest).toBeLessThan(2_000);
    expect(residentBytes(edge)).toBeLessThan(RSS_MAX);
  } finally {
    clearInterval(drip);
    for (const { socket } of dawdlers) socket.destroy();
  }
  expect(await s3.list(BUCKET, "dawdle-")).toEqual([]);
}, 90_000);
