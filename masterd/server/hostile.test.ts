// Peers that keep to nothing, at the master's port for frames: refused, counted, and the namespace is what it was.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Role } from "../../chunkd/protocol/handshake.ts";
import { MasterOp } from "../../chunkd/protocol/messages.ts";
import {
  frameBytes,
  HostileClient,
  headerWith,
  mutations,
  ODD_VALUES,
  type Sent,
} from "../../chunkd/testing/hostile-client.ts";
import { Metrics } from "../../std/metrics.ts";
import { parseExposition, sampleValue } from "../../std/testing/exposition.ts";
import { MASTER_LIMITS, MASTER_SERVER_LIMITS, type MasterMethod, METHODS } from "../protocol/messages.ts";
import { joinServers } from "../testing/scripted-chunkserver.ts";
import { behind, type Cluster } from "../testing/scripted-cluster.ts";
import {
  cleanUp,
  dataIn,
  emptyData,
  NO_ATTRIBUTES,
  startTestMaster,
  TEST_SECRETS,
} from "../testing/test-master.ts";

const metrics = new Metrics();
let all: Cluster;
let address: string;
let handle: number;
let kept: unknown;
let failed = false;
const clients: HostileClient[] = [];

beforeAll(async () => {
  const started = await startTestMaster({ metrics });
  started.failed.catch(() => {
    failed = true;
  });
  address = started.address;
  const servers = await joinServers(address, 3);
  all = { master: started.master, address, directory: started.directory, servers };
  await all.master.createBucket({ name: "bucket", owner: "u" });
  handle = (await all.master.openChunks({ count: 1 })).leases[0]!.handle;
  for (const server of servers) server.grow(handle, behind(3));
  const data = dataIn(handle);
  await all.master.commitObject({ bucket: "bucket", key: "kept", data, attributes: NO_ATTRIBUTES });
  kept = (await all.master.getObject({ bucket: "bucket", key: "kept" })).object;
});

afterAll(async () => {
  for (const client of clients) client[Symbol.dispose]();
  await cleanUp();
});

async function peer(role: Role, id: string = role): Promise<HostileClient> {
  const client = await HostileClient.authenticated(address, TEST_SECRETS, role, id);
  clients.push(client);
  return client;
}

async function refused(reason: string): Promise<number> {
  return sampleValue(parseExposition(await metrics.text()), "skerry_masterd_refused_total", { reason }) ?? 0;
}

/** The object is what it was, the store still takes changes, and the chunkservers are still there. */
async function expectUnharmed(): Promise<void> {
  expect((await all.master.getObject({ bucket: "bucket", key: "kept" })).object).toEqual(kept as never);
  const data = emptyData("again");
  await all.master.commitObject({ bucket: "bucket", key: "again", data, attributes: NO_ATTRIBUTES });
  for (const server of all.servers) await server.heartbeat();
  const { servers } = await all.master.status(null);
  expect(servers.map(({ id, alive, state }) => `${id} ${alive} ${state}`)).toEqual(
    ["s1", "s2", "s3"].map((id) => `${id} true active`),
  );
  expect(failed).toBe(false);
}

const condition = { ifMatch: ["0".repeat(32)], ifNoneMatch: ["*"] };
const attributes = {
  headers: { a: "b" },
  metadata: { c: "d" },
  checksums: { CRC32: "e" },
  checksumType: "COMPOSITE",
};

/** A request of each method that is right, and changes nothing that the tests look at. */
function requests(): Partial<Record<MasterMethod, unknown>> {
  const data = dataIn(handle, 1);
  const upload = { bucket: "bucket", key: "k", uploadId: "nope" };
  return {
    createBucket: { name: "other-bucket", owner: "u" },
    deleteBucket: { name: "no-such-bucket" },
    getBucket: { name: "bucket" },
    setBucketOwner: { name: "no-such-bucket", owner: "u", newOwner: "v" },
    listBuckets: { owner: "u", prefix: "b", after: "a", max: 10 },
    openChunks: { count: 1 },
    renewLeases: { handles: [1] },
    closeChunks: { handles: [1] },
    locate: { handles: [handle] },
    reportDamage: { handle: 1, replica: "s1" },
    commitObject: { bucket: "bucket", key: "k", data, attributes, condition },
    getObject: { bucket: "bucket", key: "kept" },
    headObject: { bucket: "bucket", key: "kept" },
    deleteObject: { bucket: "bucket", key: "k", condition },
    deleteObjects: { bucket: "bucket", objects: [{ key: "k", condition }] },
    copyObject: {
      source: { bucket: "bucket", key: "kept" },
      sourceCondition: { ...condition, modifiedSince: 1, unmodifiedSince: 2 },
      bucket: "bucket",
      key: "copy",
      attributes,
      condition,
    },
    listObjects: { bucket: "bucket", prefix: "k", delimiter: "/", after: "a", max: 10 },
    createUpload: { bucket: "bucket", key: "k", owner: "u", attributes, checksumAlgorithm: "CRC32" },
    getUpload: upload,
    commitPart: { ...upload, partNumber: 1, data, checksums: { CRC32: "e" } },
    completeUpload: { ...upload, parts: [{ partNumber: 1, etag: "e" }], checksums: {}, condition },
    abortUpload: upload,
    listParts: { ...upload, after: 0, max: 10 },
    listUploads: {
      bucket: "bucket",
      prefix: "k",
      delimiter: "/",
      after: { key: "a", uploadId: "b" },
      max: 10,
    },
    drainChunkserver: { id: "nobody" },
    undrainChunkserver: { id: "nobody" },
    removeChunkserver: { id: "nobody", force: false },
  };
}

/** The answers that must never be, by what was asked. */
async function surprises(client: HostileClient, opcode: number, metas: Iterable<readonly [string, unknown]>) {
  const found: string[] = [];
  let requestId = 0;
  for (const [where, meta] of metas) {
    const code = await client.code({ opcode, meta, requestId: ++requestId });
    if (code === "INTERNAL" || code === "closed") found.push(`${where}: ${code}`);
  }
  expect(requestId).toBeGreaterThan(20);
  return found;
}

/** Bytes as a meta would be taken for msgpack. */
const oddMetas = (): [string, unknown][] =>
  ODD_VALUES.filter((odd) => !Buffer.isBuffer(odd)).map((odd, at) => [`odd ${at}`, odd]);

describe("each method of the master with one field that is wrong", () => {
  for (const [name, opcode] of Object.entries(METHODS) as [MasterMethod, number][]) {
    test(`${name} is answered, never with INTERNAL`, async () => {
      const client = await peer("client");
      const metas = [...oddMetas(), ...mutations(requests()[name])];
      expect(await surprises(client, opcode, metas)).toEqual([]);
      await expectUnharmed();
    }, 30_000);
  }

  test("register, report and heartbeat likewise, from a chunkserver of its own", async () => {
    const register = { id: "odd", address: "127.0.0.1:1", incarnation: 1, totalBytes: 1, freeBytes: 1 };
    const client = await peer("chunkserver", "odd");
    const replica = { handle, version: 1, length: 64, sealed: false };
    const scrub = { doneBytes: 0, totalBytes: 0, startedAt: 0, finishedAt: 0, damagedFound: 0 };
    const syncs = { count: 0, bytes: 0, seconds: 0 };
    const heartbeat = { totalBytes: 1, freeBytes: 1, damaged: [handle], diskFailed: false, scrub, syncs };
    const cases: [number, unknown][] = [
      [MasterOp.report, { chunks: [replica], last: false }],
      [MasterOp.heartbeat, heartbeat],
      [MasterOp.register, { ...register, id: "s1" }],
    ];
    for (const [opcode, meta] of cases) {
      expect(await surprises(client, opcode, [...oddMetas(), ...mutations(meta)])).toEqual([]);
    }
    // Under its own name it would be a chunkserver like any other; under another's it is none.
    expect(await client.code({ opcode: MasterOp.register, meta: { ...register, id: "s1" } })).toBe(
      "FORBIDDEN",
    );
    await expectUnharmed();
  }, 30_000);

  test("a part with 20 MiB of checksums is refused: it would stay in the journal", async () => {
    const client = await peer("client");
    const part = requests().commitPart as object;
    const meta = { ...part, checksums: { CRC32: "e".repeat(20 << 20) } };
    expect(await client.code({ opcode: METHODS.commitPart, meta })).toBe("BAD_REQUEST");
  });

  test("counts them as refused", async () => {
    expect(await refused("BAD_REQUEST")).toBeGreaterThan(1_000);
  });
});

describe("roles", () => {
  test("S15: a chunkserver may ask for none of the client's methods, a client for none of the chunkserver's", async () => {
    const before = await refused("FORBIDDEN");
    const chunkserver = await peer("chunkserver", "c9");
    const client = await peer("client");
    const own = Object.values(MasterOp);
    for (const opcode of Object.values(METHODS)) {
      expect(await chunkserver.code({ opcode, requestId: opcode })).toBe("FORBIDDEN");
    }
    for (const opcode of own) expect(await client.code({ opcode, requestId: opcode })).toBe("FORBIDDEN");
    expect(await refused("FORBIDDEN")).toBe(before + Object.values(METHODS).length + own.length);
    await expectUnharmed();
  });

  test("S15, E19, E20: nobody is asked before the handshake, and a secret opens only its own roles", async () => {
    const before = await refused("UNAUTHENTICATED");
    const client = await HostileClient.connect(address);
    clients.push(client);
    expect(await client.code({ opcode: METHODS.deleteBucket, meta: { name: "bucket" } })).toBe(
      "UNAUTHENTICATED",
    );
    const wrong = { ...TEST_SECRETS, controlSecret: TEST_SECRETS.clusterSecret };
    for (const role of ["chunkserver", "master"] as const) {
      expect(await client.code(await client.auth(wrong, role))).toBe("UNAUTHENTICATED");
    }
    const foreign = await client.auth({ ...TEST_SECRETS, clusterId: "f".repeat(32) }, "client");
    expect(await client.code(foreign)).toBe("UNAUTHENTICATED");
    expect(await refused("UNAUTHENTICATED")).toBe(before + 4);
  });
});

describe("frames", () => {
  const LOCATE: Sent = { opcode: METHODS.locate, meta: { handles: [1] } };
  const cases: [what: string, bytes: () => Buffer, code: string][] = [
    ["another protocol version", () => headerWith((header) => header.writeUInt8(2, 4)), "BAD_VERSION"],
    [
      "a meta over the limit",
      () => headerWith((h) => h.writeUInt32LE(MASTER_LIMITS.metaSizeMax + 1, 12)),
      "TOO_LARGE",
    ],
    [
      "a body over the limit",
      () => headerWith((h) => h.writeUInt32LE(MASTER_SERVER_LIMITS.bodySizeMax + 1, 16)),
      "TOO_LARGE",
    ],
    [
      "32 MiB of arrays in arrays",
      () => frameBytes({ ...LOCATE, meta: Buffer.alloc(32 << 20, 0x91) }),
      "BAD_FRAME",
    ],
    [
      "an array of 4 Gi items",
      () => frameBytes({ ...LOCATE, meta: Buffer.from("ddffffffff", "hex") }),
      "BAD_FRAME",
    ],
  ];
  for (const [what, bytes, code] of cases) {
    test(`S15: ${what}: ${code}`, async () => {
      const before = await refused(code);
      const client = await peer("client");
      client.send(bytes());
      expect(await client.goodbye()).toBe(code);
      expect(await refused(code)).toBe(before + 1);
      await expectUnharmed();
    });
  }

  test("3 million handles in one request are refused, and memory comes back", async () => {
    const client = await peer("client");
    const handles = Array.from({ length: 3_000_000 }, (_, at) => at + 1);
    expect(await client.code({ opcode: METHODS.locate, meta: { handles } })).toBe("BAD_REQUEST");
    await expectUnharmed();
  }, 20_000);

  test("of one peer, 20,000 at once, are all answered or the peer is slowed; others are served", async () => {
    const client = await peer("client");
    client.stopReading();
    const listing = { opcode: METHODS.listObjects, meta: { bucket: "bucket", max: 1000 } };
    for (let requestId = 1; requestId <= 20_000; requestId++)
      client.send(frameBytes({ ...listing, requestId }));
    await expectUnharmed();
  }, 20_000);
});
