// More than a chunkserver can take: connections, requests, answers that nobody reads. It stays within its limits, says
// so, and whoever was there before goes on.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { Metrics } from "../../std/metrics.ts";
import { parseExposition, sampleValue } from "../../std/testing/exposition.ts";
import type { Connection } from "../protocol/connection.ts";
import { ChunkOp } from "../protocol/messages.ts";
import { append, grant, SECRETS, Servers } from "../testing/cluster.ts";
import { codeOf, frameBytes, HostileClient } from "../testing/hostile-client.ts";
import { ANSWER_BYTES_MAX } from "./answer-budget.ts";

const HANDLE = 7;
const PAYLOAD = Buffer.alloc(1 << 20, 5);
const READ = { handle: HANDLE, offset: 64, firstBlock: 0, blockCount: 16 };
/** Of chunkd/protocol/serve.ts and connection.ts. */
const PEERS_MAX = 1024;
const STRANGERS_MAX = 256;
const IN_FLIGHT_MAX = 256;

let servers: Servers;
let metrics: Metrics;
let good: Connection;
let address: string;
const clients: HostileClient[] = [];

beforeEach(async () => {
  servers = await Servers.start(2);
  metrics = new Metrics();
  servers.all.unshift(await servers.startOne(2, {}, { metrics }));
  address = servers.all[0]!.address;
  good = await servers.connect(0, "client");
  await append(good, grant(HANDLE, servers.replicas), PAYLOAD);
});

afterEach(async () => {
  for (const client of clients.splice(0)) client[Symbol.dispose]();
  await servers[Symbol.asyncDispose]();
});

async function stranger(): Promise<HostileClient> {
  const client = await HostileClient.connect(address);
  clients.push(client);
  return client;
}

async function metric(name: string, labels: Record<string, string> = {}): Promise<number> {
  return sampleValue(parseExposition(await metrics.text()), `skerry_chunkd_${name}`, labels) ?? 0;
}

async function expectServed(): Promise<void> {
  const { body } = await good.call(ChunkOp.read, READ);
  expect(body.subarray(-PAYLOAD.length).equals(PAYLOAD)).toBe(true);
}

/** Round trips of the good client until `holds`: what has to happen at the server happens meanwhile. */
async function whileServed(holds: () => Promise<boolean>): Promise<void> {
  do await expectServed();
  while (!(await holds()));
}

const openFiles = (): number => readdirSync("/proc/self/fd").length;

describe("a flood", () => {
  test("of reads whose answers nobody takes is handled only so far, and others are served", async () => {
    const client = await HostileClient.authenticated(address, SECRETS, "client");
    clients.push(client);
    client.stopReading();
    const asked = 5_000;
    for (let requestId = 1; requestId <= asked; requestId++) {
      client.send(frameBytes({ opcode: ChunkOp.read, requestId, meta: READ }));
    }
    const rssBefore = process.memoryUsage.rss();
    const ofGood = 50;
    for (let turn = 0; turn < ofGood; turn++) await expectServed();
    const handled = (await metric("request_seconds_count", { operation: "read" })) - ofGood;
    expect(handled).toBeLessThanOrEqual(2 * IN_FLIGHT_MAX);
    expect(process.memoryUsage.rss() - rssBefore).toBeLessThan(600 << 20);
  });

  test("of requests that are answered at once stops as well when nobody takes the answers", async () => {
    const client = await HostileClient.authenticated(address, SECRETS, "client");
    clients.push(client);
    client.stopReading();
    const frame = frameBytes({ opcode: ChunkOp.stat, requestId: 1, meta: { handle: HANDLE } });
    const many = Buffer.concat(Array.from({ length: 10_000 }, () => frame));
    const asked = 100 * 10_000;
    for (let round = 0; round < 100; round++) client.send(many);
    const handled = () => metric("request_seconds_count", { operation: "stat" });
    let before = -1;
    await whileServed(async () => {
      const last = before;
      before = await handled();
      return before === last;
    });
    // An answer takes over 60 bytes: 8 MiB of them wait here, and some more in the kernel.
    expect(before).toBeGreaterThan(1_000);
    expect(before).toBeLessThan(asked / 2);
  });
});

describe("connections", () => {
  test(`over ${PEERS_MAX} peers are refused, those that are there go on, and one that goes makes room`, async () => {
    const peers: HostileClient[] = [];
    const codes: string[] = [];
    for (let at = 0; at < PEERS_MAX + 40; at++) {
      const client = await stranger();
      codes.push(await client.code(await client.auth(SECRETS, "client", `c${at}`)));
      peers.push(client);
    }
    const isFirst = codes.indexOf("OVERLOADED");
    expect(isFirst).toBeGreaterThan(PEERS_MAX - 10);
    expect(codes.slice(isFirst).every((code) => code === "OVERLOADED")).toBe(true);
    expect(await metric("refused_total", { reason: "OVERLOADED" })).toBe(codes.length - isFirst);
    expect(await peers[0]!.code({ opcode: ChunkOp.stat, meta: { handle: HANDLE }, requestId: 9 })).toBe("ok");
    await expectServed();
    peers[1]![Symbol.dispose]();
    await whileServed(async () => (await metric("connections", { state: "peer" })) < PEERS_MAX);
    const late = await stranger();
    expect(await late.code(await late.auth(SECRETS, "client"))).toBe("ok");
  }, 60_000);

  test(`ten times ${STRANGERS_MAX} that prove nothing give way to each other, and a peer gets in`, async () => {
    const all: HostileClient[] = [];
    // In waves: the kernel lets only so many wait to be accepted.
    for (let wave = 0; wave < 40; wave++) {
      const some = await Promise.all(Array.from({ length: STRANGERS_MAX / 4 }, stranger));
      await Promise.all(some.map((client) => client.nonce()));
      all.push(...some);
    }
    const excess = all.length - STRANGERS_MAX;
    await whileServed(async () => (await metric("refused_total", { reason: "OVERLOADED" })) === excess);
    expect(await metric("connections", { state: "stranger" })).toBeLessThanOrEqual(STRANGERS_MAX);
    const peer = await stranger();
    expect(await peer.code(await peer.auth(SECRETS, "client"))).toBe("ok");
    await all[0]!.closed;
  }, 60_000);

  test("that come and go 3,000 times, at any point of the handshake, leave nothing behind", async () => {
    await storm(100);
    const before = openFiles();
    const rssBefore = process.memoryUsage.rss();
    await storm(3_000);
    await whileServed(async () => (await metric("connections", { state: "stranger" })) === 0);
    await whileServed(async () => openFiles() <= before + 2);
    expect(process.memoryUsage.rss() - rssBefore).toBeLessThan(150 << 20);
  }, 60_000);

  test("that are shown the door and do not go are closed from here", async () => {
    const readsEach = 7;
    // However little of it the kernel takes, all their answers may wait here at once: none is handled late.
    const count = Math.floor(ANSWER_BYTES_MAX / (readsEach * PAYLOAD.length)) - 1;
    const all = await Promise.all(Array.from({ length: count }, stranger));
    await Promise.all(all.map((client) => client.nonce()));
    const before = openFiles();
    // What waits for it keeps the connection from ending by itself.
    const reads = Array.from({ length: readsEach }, (_, at) => {
      return frameBytes({ opcode: ChunkOp.read, requestId: at + 2, meta: READ });
    });
    for (const client of all) {
      expect(await client.code(await client.auth(SECRETS, "client"))).toBe("ok");
      client.stopReading();
      client.send(...reads);
    }
    const handled = () => metric("request_seconds_count", { operation: "read" });
    await whileServed(async () => (await handled()) >= all.length * reads.length);
    for (const client of all) client.send(Buffer.alloc(64, 0xff));
    await whileServed(async () => (await metric("refused_total", { reason: "BAD_FRAME" })) === all.length);
    await whileServed(async () => openFiles() <= before - all.length + 2);
  }, 60_000);
});

async function storm(count: number): Promise<void> {
  const one = async (at: number): Promise<void> => {
    using client = await HostileClient.connect(address);
    if (at % 5 === 0) return;
    const sent = await client.auth(SECRETS, "client");
    if (at % 5 === 1) client.send(frameBytes(sent).subarray(0, 40));
    if (at % 5 === 2) client.send(frameBytes(sent));
    if (at % 5 === 3) expect(await client.code(sent)).toBe("ok");
    if (at % 5 === 4) {
      expect(codeOf(await client.request(sent))).toBe("ok");
      client.send(frameBytes({ opcode: ChunkOp.read, requestId: 2, meta: READ }));
    }
  };
  for (let from = 0; from < count; from += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, at) => one(from + at)));
  }
}
