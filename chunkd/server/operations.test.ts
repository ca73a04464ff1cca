import { describe, expect, test } from "bun:test";
import type { Role } from "../protocol/handshake.ts";
import { ChunkOp, COPY_SOURCES_MAX, RUN_RECORDS_MAX } from "../protocol/messages.ts";
import { blockTable, CHUNK_SIZE_MAX, encodeSeal, HANDLE_MAX } from "../protocol/record.ts";
import { unplacedHead } from "../protocol/record-run.ts";
import { append, grant, Servers } from "../testing/cluster.ts";

const REPLICA = { id: "c0", address: "127.0.0.1:1" };
const LEASED = { ...REPLICA, incarnation: 1 };
const GRANT = {
  handle: 1,
  version: 1,
  replicas: [LEASED, { ...LEASED, id: "c1" }],
  capability: new Uint8Array(32),
  expiresAt: 1,
};

/** A well-formed meta for each operation that answers, and the role that may ask. */
const CALLS: Record<string, { opcode: number; role: Role; meta: Record<string, unknown> }> = {
  append: { opcode: ChunkOp.append, role: "client", meta: GRANT },
  replicate: { opcode: ChunkOp.replicate, role: "chunkserver", meta: { ...GRANT, offset: 64 } },
  read: {
    opcode: ChunkOp.read,
    role: "client",
    meta: { handle: 1, offset: 64, firstBlock: 0, blockCount: 1 },
  },
  fence: { opcode: ChunkOp.fence, role: "master", meta: { handle: 1, version: 1 } },
  seal: { opcode: ChunkOp.seal, role: "master", meta: { handle: 1, version: 1, length: 64 } },
  copy: {
    opcode: ChunkOp.copy,
    role: "master",
    meta: { handle: 1, version: 1, length: 64, sources: [REPLICA] },
  },
  remove: { opcode: ChunkOp.remove, role: "master", meta: { handle: 1 } },
  stat: { opcode: ChunkOp.stat, role: "client", meta: { handle: 1 } },
  readFile: { opcode: ChunkOp.readFile, role: "chunkserver", meta: { handle: 1, position: 0 } },
};

const NO_MAP = [undefined, null, 5, "text", true, [], [1], new Uint8Array(3)];
const NO_WHOLE_NUMBER = [
  undefined,
  null,
  -1,
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  "1",
  "../1",
  [1],
  {},
];
const NO_BYTES = [undefined, null, 1, "bytes", [1, 2], {}, new Uint8Array(1000)];
const NO_REPLICA = [
  undefined,
  null,
  1,
  "c0",
  {},
  { id: "c0" },
  { ...REPLICA, id: "" },
  { ...REPLICA, address: 1 },
];
const WRONG: Record<string, readonly unknown[]> = {
  handle: [...NO_WHOLE_NUMBER, 0, HANDLE_MAX + 1],
  version: [...NO_WHOLE_NUMBER, 2 ** 32],
  expiresAt: NO_WHOLE_NUMBER,
  offset: [...NO_WHOLE_NUMBER, 63, CHUNK_SIZE_MAX + 1],
  length: [...NO_WHOLE_NUMBER, 63, CHUNK_SIZE_MAX + 1],
  position: [...NO_WHOLE_NUMBER, CHUNK_SIZE_MAX + 1],
  firstBlock: [...NO_WHOLE_NUMBER, 16],
  blockCount: [...NO_WHOLE_NUMBER, 0, 17],
  capability: NO_BYTES,
  sources: [
    undefined,
    {},
    [],
    Array.from({ length: COPY_SOURCES_MAX + 1 }, () => REPLICA),
    ...NO_REPLICA.map((wrong) => [REPLICA, wrong]),
  ],
  replicas: [
    undefined,
    {},
    "c0,c1",
    [],
    [LEASED],
    [LEASED, LEASED],
    Array.from({ length: 4 }, (_, i) => ({ ...LEASED, id: `c${i}` })),
    ...NO_REPLICA.map((wrong) => [LEASED, wrong]),
    ...NO_WHOLE_NUMBER.map((incarnation) => [LEASED, { ...LEASED, id: "c1", incarnation }]),
  ],
};

describe("malformed meta", () => {
  test.each(Object.entries(CALLS))(
    "of %s is BAD_REQUEST in every field, and harms nothing",
    async (_name, call) => {
      await using servers = await Servers.start(1);
      const caller = await servers.connect(0, call.role);
      const metas = [
        ...NO_MAP,
        ...Object.keys(call.meta).flatMap((field) =>
          WRONG[field]!.map((value) => ({ ...call.meta, [field]: value })),
        ),
      ];
      for (const meta of metas) {
        await expect(caller.call(call.opcode, meta)).rejects.toMatchObject({ code: "BAD_REQUEST" });
      }
      await expect(caller.call(ChunkOp.stat, { handle: 1 })).rejects.toMatchObject({ code: "NO_SUCH_CHUNK" });
    },
  );

  test("of a notification is dropped", async () => {
    await using servers = await Servers.start(1);
    const peer = await servers.connect(0, "chunkserver");
    for (const opcode of [ChunkOp.commit, ChunkOp.abort]) {
      for (const meta of [...NO_MAP, { handle: 1, version: 1, length: 1e9 }]) peer.notify(opcode, meta);
    }
    await expect(peer.call(ChunkOp.stat, { handle: 1 })).rejects.toMatchObject({ code: "NO_SUCH_CHUNK" });
  });

  test("of an append whose body is no run of records is refused", async () => {
    await using servers = await Servers.start(1);
    const caller = await servers.connect(0, "client");
    const { opcode, meta } = CALLS.append!;
    const payload = Buffer.alloc(10, 1);
    const record = Buffer.concat([unplacedHead(1, 1, payload, blockTable(payload)), payload]);
    const tooMany = Array.from({ length: RUN_RECORDS_MAX + 1 }, () => record);
    for (const [body, code] of [
      [[], "BAD_REQUEST"],
      [tooMany, "BAD_REQUEST"],
      [[Buffer.alloc(5)], "CHECKSUM"],
      [[record, record.subarray(0, 40)], "CHECKSUM"],
      [[record, record.subarray(0, -1)], "CHECKSUM"],
      [[record, Buffer.alloc(1)], "CHECKSUM"],
      [[unplacedHead(2, 1, payload, blockTable(payload)), payload], "CHECKSUM"],
      [[unplacedHead(1, 2, payload, blockTable(payload)), payload], "CHECKSUM"],
      [[encodeSeal(1, 1, 64)], "CHECKSUM"],
    ] as const) {
      await expect(caller.call(opcode, meta, body)).rejects.toMatchObject({ code });
    }
  });
});

describe("a role", () => {
  const allowed: Record<string, readonly Role[]> = {
    append: ["client"],
    replicate: ["chunkserver"],
    read: ["client", "chunkserver", "master"],
    stat: ["client", "chunkserver", "master"],
    readFile: ["chunkserver"],
    fence: ["master"],
    seal: ["master"],
    copy: ["master"],
    remove: ["master"],
  };

  test.each(["client", "chunkserver", "master"] as const)(
    "of %s may ask for its own operations only",
    async (role) => {
      await using servers = await Servers.start(1);
      const caller = await servers.connect(0, role);
      for (const [name, { opcode, meta }] of Object.entries(CALLS)) {
        const outcome = await caller.call(opcode, meta).then(
          () => "OK",
          (error: { code: string }) => error.code,
        );
        if (allowed[name]!.includes(role)) expect(outcome).not.toBe("FORBIDDEN");
        else expect(outcome).toBe("FORBIDDEN");
      }
    },
  );

  test("of a writer cannot end another's chunk by a notification", async () => {
    await using servers = await Servers.start(2);
    const writer = await servers.connect(0, "client");
    const lease = grant(1, servers.replicas);
    await append(writer, lease, Buffer.from("one"));
    const rogue = await servers.connect(1, "client", "c0");
    rogue.notify(ChunkOp.abort, { handle: 1, version: 1 });
    // Its answer shows that the notification has been read.
    await rogue.call(ChunkOp.stat, { handle: 1 });
    expect((await append(writer, lease, Buffer.from("two"))).prepared).toEqual(["c0", "c1"]);
  });
});

test("an unknown operation is answered as such", async () => {
  await using servers = await Servers.start(1);
  const caller = await servers.connect(0, "client");
  await expect(caller.call(4711, {})).rejects.toMatchObject({ code: "UNKNOWN_OPERATION" });
});
