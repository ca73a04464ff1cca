import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { CallVerifier, type GrpcRole, signCall } from "../protocol/grpc-authorization.ts";
import { METHODS } from "../protocol/messages.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { joinServers } from "../testing/scripted-chunkserver.ts";
import { atEnd, cleanUp, dataIn, startTestMaster, TEST_SECRETS } from "../testing/test-master.ts";

afterEach(cleanUp);

const PROTO = join(import.meta.dir, "../protocol/master.proto");
const definition = loadSync(PROTO, { longs: Number, defaults: true })[
  "skerry.master.v1.Master"
] as grpc.ServiceDefinition;

type Answer = Record<string, unknown>;

class GrpcCaller {
  private readonly client: grpc.Client;

  constructor(address: string) {
    this.client = new grpc.Client(address, grpc.credentials.createInsecure());
    atEnd(() => this.client.close());
  }

  sign(name: string, request: object, role: GrpcRole = "client", time = Date.now()): string {
    const { path, requestSerialize } = definition[name]!;
    const nonce = Buffer.from(crypto.getRandomValues(new Uint8Array(16)));
    return signCall(TEST_SECRETS, { role, path, time, nonce, body: requestSerialize(request) });
  }

  call(name: string, request: object, authorization = this.sign(name, request)): Promise<Answer> {
    const { path, requestSerialize, responseDeserialize } = definition[name]!;
    const metadata = new grpc.Metadata();
    metadata.set("authorization", authorization);
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        (error, value) => (error ? reject(error) : resolve(value as Answer)),
      );
    });
  }

  /** The status and the stable code of a call that fails. */
  async failure(name: string, request: object, authorization?: string): Promise<[grpc.status, string]> {
    try {
      await this.call(name, request, authorization);
    } catch (error) {
      const { code, metadata } = error as grpc.ServiceError;
      return [code, String(metadata.get("skerry-code")[0])];
    }
    return [grpc.status.OK, ""];
  }
}

async function start() {
  const master = await startTestMaster({ grpcListen: "127.0.0.1:0" });
  return { ...master, caller: new GrpcCaller(master.grpcAddress!) };
}

describe("the master over gRPC", () => {
  test("has every method of the frames", () => {
    const names = Object.keys(METHODS).map((name) => `${name[0]!.toUpperCase()}${name.slice(1)}`);
    expect(Object.keys(definition).sort()).toEqual([...names, "Register", "Heartbeat"].sort());
  });

  test("serves an object's life with numbers beyond 32 bits, bytes, maps and absent fields", async () => {
    const { caller, address } = await start();
    await joinServers(address, 3);
    await caller.call("CreateBucket", { name: "bucket", owner: "u" });
    const { leases } = (await caller.call("OpenChunks", { count: 1 })) as {
      leases: { handle: number; capability: Buffer }[];
    };
    const { handle, capability } = leases[0]!;
    expect(capability).toHaveLength(32);
    const data = dataIn(handle);
    const attributes = { headers: { "content-type": "text/plain" }, metadata: { a: "b" } };
    const committed = await caller.call("CommitObject", { bucket: "bucket", key: "k", data, attributes });
    expect(committed.modifiedAt as number).toBeGreaterThan(1.7e12);
    const { object, locations } = (await caller.call("GetObject", { bucket: "bucket", key: "k" })) as {
      object: Answer;
      locations: Record<string, { replicas: { id: string }[] }>;
    };
    expect(object).toMatchObject({ key: "k", size: 1000, extents: data.extents, attributes });
    expect(locations[handle]!.replicas.map(({ id }) => id).sort()).toEqual(["s1", "s2", "s3"]);
    const listed = await caller.call("ListObjects", { bucket: "bucket", max: 10 });
    expect(listed).toMatchObject({ objects: [{ key: "k", size: 1000 }], commonPrefixes: [] });
    expect(await caller.call("Status", {})).toMatchObject({ objects: 1, buckets: 1, chunks: { open: 1 } });
    expect(await caller.call("DeleteObject", { bucket: "bucket", key: "k" })).toEqual({ deleted: true });
  });

  test("answers errors as a status with the stable code and its detail", async () => {
    const { caller } = await start();
    expect(await caller.failure("GetBucket", { name: "absent" })).toEqual([
      grpc.status.NOT_FOUND,
      "NO_SUCH_BUCKET",
    ]);
    expect(await caller.failure("CreateBucket", { name: "A", owner: "u" })).toEqual([
      grpc.status.INVALID_ARGUMENT,
      "INVALID_BUCKET_NAME",
    ]);
    expect(await caller.failure("OpenChunks", { count: 0 })).toEqual([
      grpc.status.INVALID_ARGUMENT,
      "BAD_REQUEST",
    ]);
    expect(await caller.failure("OpenChunks", { count: 1 })).toEqual([
      grpc.status.UNAVAILABLE,
      "NOT_ENOUGH_SERVERS",
    ]);
    await caller.call("CreateBucket", { name: "bucket", owner: "u" });
    const error = (await caller
      .call("CreateBucket", { name: "bucket", owner: "x" })
      .catch((e) => e)) as grpc.ServiceError;
    expect(JSON.parse(String(error.metadata.get("skerry-detail-bin")[0]))).toEqual({ owner: "u" });
  });

  test("S15: refuses calls that are unsigned, signed for another method or body, too old, or sent again", async () => {
    const { caller } = await start();
    const request = { name: "bucket", owner: "u" };
    const refused = [grpc.status.UNAUTHENTICATED, "UNAUTHENTICATED"] as [grpc.status, string];
    const expectRefused = async (authorization: string): Promise<void> => {
      expect(await caller.failure("CreateBucket", request, authorization)).toEqual(refused);
    };
    await expectRefused("");
    await expectRefused("Bearer x");
    await expectRefused(caller.sign("GetBucket", request));
    await expectRefused(caller.sign("CreateBucket", { ...request, owner: "other" }));
    await expectRefused(caller.sign("CreateBucket", request, "client", Date.now() - 120_000));
    await expectRefused(caller.sign("CreateBucket", request).replace("client", "chunkserver"));
    const good = caller.sign("CreateBucket", request);
    await caller.call("CreateBucket", request, good);
    await expectRefused(good);
  });

  test("keeps the roles apart, and renews only chunkservers that have a frame connection", async () => {
    const { caller, address, master } = await start();
    const heartbeat = { id: "s1", totalBytes: 9e12, freeBytes: 8e12 };
    const signed = () => caller.sign("Heartbeat", heartbeat, "chunkserver");
    expect(await caller.failure("Heartbeat", heartbeat)).toEqual([
      grpc.status.PERMISSION_DENIED,
      "FORBIDDEN",
    ]);
    expect(await caller.failure("Heartbeat", heartbeat, signed())).toEqual([
      grpc.status.INVALID_ARGUMENT,
      "BAD_REQUEST",
    ]);
    await joinServers(address, 1);
    expect((await caller.call("Heartbeat", heartbeat, signed())).masterNow as number).toBeGreaterThan(1.7e12);
    expect((await master.status(null)).servers[0]).toMatchObject({ id: "s1", freeBytes: 8e12 });
    const status = caller.sign("Status", {}, "chunkserver");
    expect(await caller.failure("Status", {}, status)).toEqual([grpc.status.PERMISSION_DENIED, "FORBIDDEN"]);
  });
});

describe("a signed call", () => {
  test("is forgotten only when its time alone refuses it", () => {
    const clock = new ManualClock();
    const verifier = new CallVerifier(clock, TEST_SECRETS);
    const path = "/skerry.master.v1.Master/Status";
    const body = Buffer.from("x");
    const sign = (time: number, n: number): string =>
      signCall(TEST_SECRETS, { role: "client", path, time, nonce: Buffer.alloc(16, n), body });
    const early = sign(clock.now() + 59_000, 1);
    expect(verifier.verify(early, path, body)).toBe("client");
    for (let i = 0; i < 13; i++) {
      expect(verifier.verify(early, path, body)).toBeUndefined();
      expect(verifier.verify(sign(clock.now(), 100 + i), path, body)).toBe("client");
      clock.advance(10_000);
    }
  });
});
