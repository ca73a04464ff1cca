// Peers of this cluster that have lost their mind: frames that are whole, and requests that are not.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { Metrics } from "../../std/metrics.ts";
import { parseExposition, sampleValue } from "../../std/testing/exposition.ts";
import type { Connection } from "../protocol/connection.ts";
import type { Role } from "../protocol/handshake.ts";
import { ChunkOp } from "../protocol/messages.ts";
import { blockTable } from "../protocol/record.ts";
import { unplacedHead } from "../protocol/record-run.ts";
import { append, grant, SECRETS, Servers } from "../testing/cluster.ts";
import { codeOf, frameBytes, HostileClient, mutations, type Sent } from "../testing/hostile-client.ts";

const HANDLE = 7;
/** A chunk that is not here: a command that is right by chance does nothing. */
const NOWHERE = 8_888;
const PAYLOAD = Buffer.alloc(100_000, 5);

let servers: Servers;
const metrics = new Metrics();
let good: Connection;
let address: string;
let fileBefore: string;
const clients: HostileClient[] = [];

beforeAll(async () => {
  servers = await Servers.start(2);
  servers.all.unshift(await servers.startOne(2, {}, { metrics }));
  address = servers.all[0]!.address;
  good = await servers.connect(0, "client");
  await append(good, grant(HANDLE, servers.replicas), PAYLOAD);
  fileBefore = fileHash();
});

afterAll(async () => {
  for (const client of clients) client[Symbol.dispose]();
  await servers[Symbol.asyncDispose]();
});

function fileHash(): string {
  return createHash("sha256")
    .update(readFileSync(servers.chunkFile(2, HANDLE)))
    .digest("hex");
}

async function peer(role: Role): Promise<HostileClient> {
  const client = await HostileClient.authenticated(address, SECRETS, role);
  clients.push(client);
  return client;
}

async function metric(name: string, labels: Record<string, string> = {}): Promise<number> {
  return sampleValue(parseExposition(await metrics.text()), `skerry_chunkd_${name}`, labels) ?? 0;
}

async function expectUnharmed(): Promise<void> {
  const request = { handle: HANDLE, offset: 64, firstBlock: 0, blockCount: 2 };
  const { body } = await good.call(ChunkOp.read, request);
  expect(body.subarray(-PAYLOAD.length).equals(PAYLOAD)).toBe(true);
  expect(fileHash()).toBe(fileBefore);
}

function run(handle: number, version = 1): Buffer {
  return Buffer.concat([unplacedHead(handle, version, PAYLOAD, blockTable(PAYLOAD)), PAYLOAD]);
}

/** Each operation, as it would be right but for a chunk that is not here. */
function requests(): [role: Role, Sent][] {
  const handle = NOWHERE;
  const lease = grant(handle, servers.replicas);
  const version = 1;
  const sources = [servers.replicas[1]!];
  return [
    ["client", { opcode: ChunkOp.append, meta: lease, body: run(HANDLE) }],
    ["client", { opcode: ChunkOp.read, meta: { handle, offset: 64, firstBlock: 0, blockCount: 1 } }],
    ["client", { opcode: ChunkOp.stream, meta: { handle, offset: 64, size: 1000 } }],
    ["client", { opcode: ChunkOp.stat, meta: { handle } }],
    ["chunkserver", { opcode: ChunkOp.replicate, meta: { ...lease, offset: 64 }, body: run(HANDLE) }],
    ["chunkserver", { opcode: ChunkOp.commit, meta: { handle, version, length: 64 } }],
    ["chunkserver", { opcode: ChunkOp.abort, meta: { handle, version } }],
    ["chunkserver", { opcode: ChunkOp.readFile, meta: { handle, position: 0 } }],
    ["master", { opcode: ChunkOp.fence, meta: { handle, version } }],
    ["master", { opcode: ChunkOp.seal, meta: { handle, version, length: 64 } }],
    ["master", { opcode: ChunkOp.copy, meta: { handle, version, length: 64, sources } }],
    ["master", { opcode: ChunkOp.remove, meta: { handle } }],
    [
      "master",
      {
        opcode: ChunkOp.compact,
        meta: { source: handle, sourceVersion: 1, sourceLength: 64, target: handle + 1, version },
        body: Buffer.alloc(8, 1),
      },
    ],
    ["master", { opcode: ChunkOp.scrub, meta: { action: "status" } }],
  ];
}

describe("each request with one field that is wrong", () => {
  for (const [name, opcode] of Object.entries(ChunkOp)) {
    test(`S15: ${name} is answered, never with INTERNAL, and harms nothing`, async () => {
      const [role, sent] = requests().find(([, each]) => each.opcode === opcode)!;
      const client = await peer(role);
      const surprises: string[] = [];
      let requestId = 0;
      let refusals = 0;
      for (const [where, meta] of mutations(sent.meta)) {
        const code = await client.code({ ...sent, meta, requestId: ++requestId });
        if (code === "INTERNAL" || code === "closed") surprises.push(`${where}: ${code}`);
        if (code === "BAD_REQUEST") refusals++;
      }
      expect(surprises).toEqual([]);
      expect(requestId).toBeGreaterThan(20);
      expect(refusals).toBeGreaterThan(requestId / 2);
      await expectUnharmed();
    }, 30_000);
  }

  test("counts every one of them as refused", async () => {
    expect(await metric("refused_total", { reason: "BAD_REQUEST" })).toBeGreaterThan(500);
  });
});

describe("a capability", () => {
  const lease = () => grant(HANDLE, servers.replicas);
  const cases: [what: string, make: () => object, body?: () => Buffer][] = [
    ["of another chunk", () => ({ ...lease(), capability: grant(9, servers.replicas).capability })],
    ["for another chunk", () => ({ ...lease(), handle: 9 }), () => run(9)],
    ["for a later version", () => ({ ...lease(), version: 2 }), () => run(HANDLE, 2)],
    ["with the replicas in another order", () => ({ ...lease(), replicas: [...servers.replicas].reverse() })],
    ["with a replica left out", () => ({ ...lease(), replicas: servers.replicas.slice(0, 2) })],
    ["whose end was moved", () => ({ ...lease(), expiresAt: Date.now() + 1e9 })],
    ["that has expired", () => grant(HANDLE, servers.replicas, { validForMs: -1 })],
    [
      "signed with the client's secret",
      () => ({ ...lease(), capability: Buffer.from(SECRETS.clusterSecret) }),
    ],
    ["of no bytes", () => ({ ...lease(), capability: Buffer.alloc(0) })],
  ];
  for (const [what, make, body] of cases) {
    test(`S15: ${what} writes nothing, at the primary or at a secondary`, async () => {
      const before = await metric("refused_total", { reason: "BAD_CAPABILITY" });
      const sent = { meta: make(), body: body?.() ?? run(HANDLE) };
      const writer = await peer("client");
      expect(await writer.code({ ...sent, opcode: ChunkOp.append })).toBe("BAD_CAPABILITY");
      expect(await metric("refused_total", { reason: "BAD_CAPABILITY" })).toBe(before + 1);
      await expectUnharmed();
    });
  }

  test("replayed by a chunkserver that is not the primary writes nothing", async () => {
    const client = await HostileClient.authenticated(address, SECRETS, "chunkserver", "c9");
    clients.push(client);
    const lease = grant(NOWHERE, [servers.replicas[1]!, servers.replicas[0]!, servers.replicas[2]!]);
    const sent = { opcode: ChunkOp.replicate, meta: { ...lease, offset: 64 }, body: placedRun(NOWHERE) };
    expect(await client.code(sent)).toBe("BAD_CAPABILITY");
  });
});

/** A run as a primary would place it at the chunk's begin. */
function placedRun(handle: number): Buffer {
  const bytes = run(handle);
  bytes.writeBigUInt64LE(64n, 16);
  const headSize = bytes.length - PAYLOAD.length;
  bytes.writeUInt32LE(Bun.hash.crc32(bytes.subarray(0, headSize - 4)), headSize - 4);
  return bytes;
}

/** mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const SEEDS = 60;

describe("by chance", () => {
  test(`${SEEDS} connections of random bytes end, and nothing else happens`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = seeded(seed);
      const client = await peer("client");
      client.send(Buffer.from(Array.from({ length: 32 + random() * 2000 }, () => random() * 256)));
      expect([seed, await client.goodbye()]).toEqual([seed, "BAD_FRAME"]);
    }
    await expectUnharmed();
  });

  test(`${SEEDS} sessions with one flipped bit each write no byte that was not sent`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = seeded(1_000 + seed);
      const client = await peer("client");
      const bytes = frameBytes({
        opcode: ChunkOp.append,
        meta: grant(HANDLE, servers.replicas),
        body: run(HANDLE),
      });
      const at = Math.floor(random() * bytes.length);
      bytes[at]! ^= 1 << Math.floor(random() * 8);
      client.send(bytes);
      const code = await Promise.race([client.answer(1).then(codeOf), client.goodbye()]);
      expect([seed, at, code]).toEqual([
        seed,
        at,
        expect.stringMatching(/^(BAD_FRAME|BAD_VERSION|TOO_LARGE|CHECKSUM|BAD_REQUEST|closed)$/),
      ]);
    }
    await expectUnharmed();
  });
});
