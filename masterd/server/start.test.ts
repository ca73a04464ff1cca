import { afterEach, describe, expect, test } from "bun:test";
import { dial } from "../../chunkd/protocol/connection.ts";
import { MasterOp } from "../../chunkd/protocol/messages.ts";
import { connectMaster } from "../client/client.ts";
import { MASTER_LIMITS, METHODS } from "../protocol/messages.ts";
import { joinServers } from "../testing/scripted-chunkserver.ts";
import {
  atEnd,
  cleanUp,
  codeOf,
  dataIn,
  emptyData,
  NO_ATTRIBUTES,
  startTestMaster,
  TEST_SECRETS,
  testEnvironment,
} from "../testing/test-master.ts";

afterEach(cleanUp);

const env = testEnvironment;

describe("the master over frames", () => {
  test("serves the whole life of an object", async () => {
    const { address } = await startTestMaster();
    await joinServers(address, 3);
    const client = connectMaster(env, { address, secrets: TEST_SECRETS, id: "test" });
    atEnd(() => client.close());
    await client.createBucket({ name: "photos", owner: "u1" });
    const { leases } = await client.openChunks({ count: 2 });
    expect(leases.map((lease) => lease.replicas.length)).toEqual([3, 3]);
    const { handle } = leases[0]!;
    const data = dataIn(handle);
    const attributes = {
      ...NO_ATTRIBUTES,
      headers: { "content-type": "image/png" },
      checksums: { CRC32: "x" },
    };
    await client.commitObject({ bucket: "photos", key: "a/ü.png", data, attributes });
    const { object, locations } = await client.getObject({ bucket: "photos", key: "a/ü.png" });
    expect(object).toEqual({ key: "a/ü.png", ...data, attributes, modifiedAt: object.modifiedAt });
    expect(locations[handle]!.map(({ id }) => id).sort()).toEqual(["s1", "s2", "s3"]);
    const { incarnation: _, ...primary } = leases[0]!.replicas[0]!;
    expect(locations[handle]![0]).toEqual(primary);
    const listed = await client.listObjects({ bucket: "photos", max: 10 });
    expect(listed.objects.map(({ key, checksumAlgorithms }) => [key, checksumAlgorithms])).toEqual([
      ["a/ü.png", ["CRC32"]],
    ]);
    expect(await client.deleteObject({ bucket: "photos", key: "a/ü.png" })).toEqual({ deleted: true });
    expect(await codeOf(client.headObject({ bucket: "photos", key: "a/ü.png" }))).toBe("NO_SUCH_KEY");
    const { chunks, objects, buckets } = await client.status(null);
    expect({ open: chunks.open, objects, buckets }).toEqual({ open: 2, objects: 0, buckets: 1 });
  });

  test("refuses an operation to a role that may not ask for it", async () => {
    const { address } = await startTestMaster();
    const as = async (role: "client" | "chunkserver") => {
      const to = { address, role: "master" } as const;
      const connection = await dial(env, to, TEST_SECRETS, { role, id: "x" }, { limits: MASTER_LIMITS });
      atEnd(() => connection.close());
      return connection;
    };
    const register = { id: "x", address: "127.0.0.1:1", incarnation: 1, totalBytes: 1, freeBytes: 1 };
    expect(await codeOf((await as("client")).call(MasterOp.register, register))).toBe("FORBIDDEN");
    const chunkserver = await as("chunkserver");
    expect(await codeOf(chunkserver.call(METHODS.deleteBucket, { name: "b" }))).toBe("FORBIDDEN");
    expect(await codeOf(chunkserver.call(MasterOp.register, { ...register, id: "y" }))).toBe("FORBIDDEN");
    expect(await codeOf(chunkserver.call(MasterOp.heartbeat, {}))).toBe("BAD_REQUEST");
    expect(await codeOf(chunkserver.call(9999, {}))).toBe("UNKNOWN_OPERATION");
  });

  test("answers malformed requests with BAD_REQUEST and goes on", async () => {
    const { address } = await startTestMaster();
    const to = { address, role: "master" } as const;
    const self = { role: "client", id: "x" } as const;
    const connection = await dial(env, to, TEST_SECRETS, self, { limits: MASTER_LIMITS });
    atEnd(() => connection.close());
    const good = { bucket: "b", key: "k", data: emptyData(), attributes: NO_ATTRIBUTES };
    const malformed: [keyof typeof METHODS, unknown][] = [
      ["createBucket", undefined],
      ["createBucket", { name: 7, owner: "u" }],
      ["openChunks", { count: -1 }],
      ["openChunks", { count: 1e9 }],
      ["locate", { handles: ["1"] }],
      ["listObjects", { bucket: "b", max: 1e6 }],
      ["commitObject", { ...good, data: { ...good.data, size: 5 } }],
      ["commitObject", { ...good, data: { ...good.data, etag: "zz" } }],
      ["commitObject", { ...good, attributes: { ...NO_ATTRIBUTES, metadata: { a: "x".repeat(70_000) } } }],
      ["commitObject", { ...good, data: dataIn(1, 0, 64 << 20) }],
      ["commitObject", { ...good, data: dataIn(1, 70, 1 << 20) }],
      ["completeUpload", { bucket: "b", key: "k", uploadId: "u", parts: [], checksums: {} }],
    ];
    for (const [method, meta] of malformed) {
      expect([method, await codeOf(connection.call(METHODS[method], meta))]).toEqual([method, "BAD_REQUEST"]);
    }
    expect((await connection.call(METHODS.listBuckets, { max: 1 })).meta).toEqual({ buckets: [] });
  });

  test("refuses a port that is taken", async () => {
    const { address } = await startTestMaster();
    expect(await codeOf(startTestMaster({ listen: address }))).toBe("EADDRINUSE");
  });
});
