// Peers that keep to nothing, at the data plane's port: refused, counted, and nobody else notices.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { Metrics } from "../../std/metrics.ts";
import { parseExposition, sampleValue } from "../../std/testing/exposition.ts";
import { type Connection, Op } from "../protocol/connection.ts";
import { FrameKind } from "../protocol/frame.ts";
import { ChunkOp, DATA_LIMITS } from "../protocol/messages.ts";
import { append, grant, SECRETS, Servers } from "../testing/cluster.ts";
import { codeOf, frameBytes, HostileClient, headerWith, type Sent } from "../testing/hostile-client.ts";
import { ManualClock } from "../testing/manual-clock.ts";

const HANDLE = 7;
const PAYLOAD = Buffer.alloc(100_000, 5);

let servers: Servers;
let metrics: Metrics;
let good: Connection;
let address: string;
/** Of the one chunk, which no hostile peer may change. */
let fileBefore: string;
const clients: HostileClient[] = [];

beforeEach(async () => {
  servers = await Servers.start(1);
  metrics = new Metrics();
  servers.all.push(await servers.startOne(1), await servers.startOne(2, {}, { metrics }));
  servers.all.reverse();
  address = servers.all[0]!.address;
  good = await servers.connect(0, "client");
  await append(good, grant(HANDLE, servers.replicas), PAYLOAD);
  fileBefore = fileHash();
});

afterEach(async () => {
  for (const client of clients.splice(0)) client[Symbol.dispose]();
  await servers[Symbol.asyncDispose]();
});

function fileHash(): string {
  return createHash("sha256")
    .update(readFileSync(servers.chunkFile(2, HANDLE)))
    .digest("hex");
}

async function stranger(): Promise<HostileClient> {
  const client = await HostileClient.connect(address);
  clients.push(client);
  return client;
}

async function peer(role: "client" | "chunkserver" | "master"): Promise<HostileClient> {
  const client = await HostileClient.authenticated(address, SECRETS, role);
  clients.push(client);
  return client;
}

async function refused(reason: string): Promise<number> {
  return sampleValue(parseExposition(await metrics.text()), "skerry_chunkd_refused_total", { reason }) ?? 0;
}

/** A good client reads what it wrote, and the file is what it was. */
async function expectUnharmed(): Promise<void> {
  const request = { handle: HANDLE, offset: 64, firstBlock: 0, blockCount: 2 };
  const { body } = await good.call(ChunkOp.read, request);
  expect(body.subarray(-PAYLOAD.length).equals(PAYLOAD)).toBe(true);
  expect(fileHash()).toBe(fileBefore);
}

const STAT: Sent = { opcode: ChunkOp.stat, meta: { handle: HANDLE } };

describe("a stranger", () => {
  test("S15, E19, E20: without a handshake gets nothing but UNAUTHENTICATED, for every operation", async () => {
    const client = await stranger();
    for (const [at, opcode] of Object.values(ChunkOp).entries()) {
      const sent = { opcode, requestId: at + 1, meta: { handle: HANDLE, version: 9, length: 64 } };
      expect(await client.code(sent)).toBe("UNAUTHENTICATED");
    }
    expect(await refused("UNAUTHENTICATED")).toBe(Object.values(ChunkOp).length);
    await expectUnharmed();
  });

  const handshakes: [what: string, make: (client: HostileClient) => Promise<Sent>][] = [
    ["a wrong secret", (client) => client.auth({ ...SECRETS, clusterSecret: "wrong" }, "client")],
    ["another cluster's id", (client) => client.auth({ ...SECRETS, clusterId: "f".repeat(32) }, "client")],
    [
      "the client's secret for the master's role",
      (client) => client.auth({ ...SECRETS, controlSecret: SECRETS.clusterSecret }, "master"),
    ],
    [
      "a role that is none",
      async (client) => {
        const sent = await client.auth(SECRETS, "client");
        return { ...sent, meta: { ...(sent.meta as object), role: "root" } };
      },
    ],
    [
      "a proof for another name",
      async (client) => {
        const sent = await client.auth(SECRETS, "chunkserver", "c1");
        return { ...sent, meta: { ...(sent.meta as object), id: "c2" } };
      },
    ],
    ["no fields at all", async () => ({ opcode: Op.auth, meta: {} })],
    ["null", async () => ({ opcode: Op.auth, meta: null })],
  ];
  for (const [what, make] of handshakes) {
    test(`S15: with ${what} is refused`, async () => {
      const client = await stranger();
      expect(await client.code(await make(client))).toBe("UNAUTHENTICATED");
      expect(await client.code({ ...STAT, requestId: 2 })).toBe("UNAUTHENTICATED");
      expect(await refused("UNAUTHENTICATED")).toBe(2);
      await expectUnharmed();
    });
  }

  test("S15: that replays a recorded handshake is refused: the nonce is another", async () => {
    const first = await stranger();
    const recorded = await first.auth(SECRETS, "master");
    expect(await first.code(recorded)).toBe("ok");
    expect(await (await stranger()).code(recorded)).toBe("UNAUTHENTICATED");
    expect(await refused("UNAUTHENTICATED")).toBe(1);
  });

  test("may not send more than 4 KiB", async () => {
    const client = await stranger();
    client.send(frameBytes({ opcode: Op.auth, meta: Buffer.alloc(0) }, { metaSize: 4097 }));
    expect(await client.goodbye()).toBe("TOO_LARGE");
    expect(await refused("TOO_LARGE")).toBe(1);
  });
});

describe("bytes that are no frames", () => {
  const cases: [what: string, bytes: Buffer, code: string][] = [
    ["HTTP", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n          "), "BAD_FRAME"],
    ["a TLS hello", Buffer.from(`160301${"00".repeat(60)}`, "hex"), "BAD_FRAME"],
    ["another protocol version", headerWith((header) => header.writeUInt8(2, 4)), "BAD_VERSION"],
    ["an unknown kind", headerWith((header) => header.writeUInt8(9, 5)), "BAD_FRAME"],
    ["reserved bytes set", headerWith((header) => header.writeUInt32LE(1, 24)), "BAD_FRAME"],
    ["a meta of 4 GiB", headerWith((header) => header.writeUInt32LE(0xffff_ffff, 12)), "TOO_LARGE"],
    ["a body of 4 GiB", headerWith((header) => header.writeUInt32LE(0xffff_ffff, 16)), "TOO_LARGE"],
    [
      "a body over the limit",
      headerWith((h) => h.writeUInt32LE(DATA_LIMITS.bodySizeMax + 1, 16)),
      "TOO_LARGE",
    ],
    ["a wrong checksum of the meta", frameBytes(STAT, { metaCrc: 1 }), "BAD_FRAME"],
    ["a meta cut short", frameBytes({ ...STAT, meta: Buffer.from([0x93, 1]) }), "BAD_FRAME"],
    ["a meta with more behind it", frameBytes({ ...STAT, meta: Buffer.from([1, 2]) }), "BAD_FRAME"],
    ["arrays in arrays without end", frameBytes({ ...STAT, meta: Buffer.alloc(60_000, 0x91) }), "BAD_FRAME"],
    ["an array of 4 Gi items", frameBytes({ ...STAT, meta: Buffer.from("ddffffffff", "hex") }), "BAD_FRAME"],
    [
      "a map of 4 Gi fields",
      frameBytes({ ...STAT, meta: Buffer.from("dfffffffffa161", "hex") }),
      "BAD_FRAME",
    ],
    ["a string of 4 GiB", frameBytes({ ...STAT, meta: Buffer.from("dbffffffff41", "hex") }), "BAD_FRAME"],
    ["bytes of 4 GiB", frameBytes({ ...STAT, meta: Buffer.from("c6ffffffff41", "hex") }), "BAD_FRAME"],
  ];
  for (const [what, bytes, code] of cases) {
    test(`S15: ${what}: ${code}, and the connection ends`, async () => {
      const client = await peer("client");
      client.send(bytes);
      expect(await client.goodbye()).toBe(code);
      expect(await refused(code)).toBe(1);
      await expectUnharmed();
    });
  }

  test("the byte that msgpack never uses is a request without fields", async () => {
    const client = await peer("client");
    expect(await client.code({ ...STAT, meta: Buffer.from([0xc1]) })).toBe("BAD_REQUEST");
  });

  test("arrays in arrays to a depth that msgpack takes are a request without fields", async () => {
    const client = await peer("client");
    const meta = Buffer.concat([Buffer.alloc(500, 0x91), Buffer.from([1])]);
    expect(await client.code({ ...STAT, meta })).toBe("BAD_REQUEST");
  });

  test("an answer that nobody asked for, a notification of nothing and a request twice change nothing", async () => {
    const client = await peer("client");
    for (const kind of [FrameKind.response, FrameKind.error]) {
      client.send(frameBytes({ kind, opcode: ChunkOp.stat, requestId: 99, meta: { code: "X" } }));
    }
    client.send(frameBytes({ kind: FrameKind.notify, opcode: 9999, requestId: 0 }));
    client.send(frameBytes({ ...STAT, requestId: 5 }), frameBytes({ ...STAT, requestId: 5 }));
    expect(codeOf(await client.answer(5))).toBe("ok");
    expect(codeOf(await client.answer(5))).toBe("ok");
    expect(await refused("UNKNOWN_OPERATION")).toBe(1);
    await expectUnharmed();
  });

  test("an unknown operation is refused, and makes no name in the metrics", async () => {
    const client = await peer("client");
    for (const opcode of [0, 15, 29, 0xffff]) {
      expect(await client.code({ opcode, requestId: opcode + 1 })).toBe("UNKNOWN_OPERATION");
    }
    expect(await refused("UNKNOWN_OPERATION")).toBe(4);
    const families = parseExposition(await metrics.text());
    const operations = families
      .get("skerry_chunkd_request_seconds")!
      .samples.map(({ labels }) => labels.operation);
    expect(new Set(operations)).toEqual(new Set(["append"]));
  });
});

describe("a peer that stands still", () => {
  async function withClock(): Promise<ManualClock> {
    const clock = new ManualClock();
    metrics = new Metrics();
    const slow = await servers.startOne(3, { clock }, { metrics });
    servers.all.push(slow);
    address = slow.address;
    return clock;
  }

  test("in the handshake is dropped after 5 s", async () => {
    const clock = await withClock();
    const client = await stranger();
    await client.nonce();
    clock.advance(4_999);
    expect(await client.code({ opcode: Op.ping })).toBe("ok");
    clock.advance(1);
    expect(await client.goodbye()).toBe("UNAUTHENTICATED");
    expect(await refused("UNAUTHENTICATED")).toBe(1);
  });

  test("in the middle of a frame, a byte at a time, is dropped within 30 s", async () => {
    const clock = await withClock();
    const client = await peer("client");
    const frame = frameBytes(STAT);
    client.send(frame.subarray(0, 10));
    for (let at = 10; at < 33; at++) {
      client.send(frame.subarray(at, at + 1));
      // A round trip of another connection: by then the byte is there.
      await (await peer("client")).code(STAT);
      clock.advance(1_000);
    }
    clock.advance(10_000);
    expect(await client.goodbye()).toBe("closed");
    expect(await refused("TIMEOUT")).toBeGreaterThan(0);
  });

  test("behind the half of a frame is dropped; one that is only idle and answers is kept", async () => {
    const clock = await withClock();
    const truncated = await peer("client");
    const idle = await peer("client");
    truncated.send(frameBytes({ ...STAT, body: Buffer.alloc(1000) }).subarray(0, 500));
    await idle.code(STAT);
    for (let looks = 0; looks < 3; looks++) clock.advance(10_000);
    await truncated.closed;
    const asked = await idle.until(({ kind, opcode }) => kind === FrameKind.request && opcode === Op.ping);
    idle.send(frameBytes({ kind: FrameKind.response, opcode: Op.ping, requestId: asked!.requestId }));
    expect(await idle.code({ ...STAT, requestId: 77 })).toBe("NO_SUCH_CHUNK");
    clock.advance(10_000);
    expect(await idle.code({ ...STAT, requestId: 78 })).toBe("NO_SUCH_CHUNK");
    expect(await refused("TIMEOUT")).toBe(1);
  });

  test("without a sign of life, as a host that lost its power, is dropped", async () => {
    const clock = await withClock();
    const dead = await peer("client");
    for (let looks = 0; looks < 6; looks++) clock.advance(10_000);
    await dead.closed;
    expect(await refused("TIMEOUT")).toBe(1);
  });
});

test("S15: every operation is for the roles that it is for", async () => {
  const { replicas: _, ...rest } = grant(HANDLE, servers.replicas);
  const meta = { ...rest, replicas: servers.replicas, offset: 64, length: 64, position: 0, action: "now" };
  const { append, replicate, commit, abort, readFile, fence, seal, copy, remove, compact, scrub } = ChunkOp;
  const forbidden = {
    client: [replicate, commit, abort, readFile, fence, seal, copy, remove, compact, scrub],
    chunkserver: [append, fence, seal, copy, remove, compact, scrub],
  };
  let refusals = 0;
  for (const role of ["client", "chunkserver"] as const) {
    const client = await peer(role);
    for (const opcode of forbidden[role]) {
      const code = await client.code({ opcode, requestId: ++refusals, meta });
      expect([role, opcode, code]).toEqual([role, opcode, "FORBIDDEN"]);
    }
  }
  expect(await refused("FORBIDDEN")).toBe(refusals);
  await expectUnharmed();
});
