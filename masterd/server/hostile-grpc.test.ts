// Callers that keep to nothing, at the master's port for gRPC.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { HostileClient, mutations } from "../../chunkd/testing/hostile-client.ts";
import { Metrics } from "../../std/metrics.ts";
import { parseExposition, sampleValue } from "../../std/testing/exposition.ts";
import { type GrpcRole, signCall } from "../protocol/grpc-authorization.ts";
import { MASTER_LIMITS } from "../protocol/messages.ts";
import {
  atEnd,
  cleanUp,
  emptyData,
  NO_ATTRIBUTES,
  startTestMaster,
  TEST_SECRETS,
} from "../testing/test-master.ts";

const PROTO = join(import.meta.dir, "../protocol/master.proto");
const definition = loadSync(PROTO, { longs: Number, defaults: true })[
  "skerry.master.v1.Master"
] as grpc.ServiceDefinition;

let metrics: Metrics;
let address: string;
let client: grpc.Client;

beforeEach(async () => {
  metrics = new Metrics();
  const master = await startTestMaster({ grpcListen: "127.0.0.1:0", metrics });
  address = master.grpcAddress!;
  await master.master.createBucket({ name: "bucket", owner: "u" });
  const data = emptyData("kept");
  await master.master.commitObject({ bucket: "bucket", key: "kept", data, attributes: NO_ATTRIBUTES });
  client = new grpc.Client(address, grpc.credentials.createInsecure(), {
    "grpc.max_send_message_length": -1,
  });
  atEnd(() => client.close());
});
afterEach(cleanUp);

interface Signing {
  role?: GrpcRole;
  secrets?: typeof TEST_SECRETS;
  time?: number;
}

function sign(
  path: string,
  body: Uint8Array,
  { role = "client", secrets = TEST_SECRETS, time }: Signing = {},
) {
  const nonce = Buffer.from(crypto.getRandomValues(new Uint8Array(16)));
  return signCall(secrets, { role, path, time: time ?? Date.now(), nonce, body });
}

/** The stable code of the answer, "ok", or the name of gRPC's own status. */
function call(
  path: string,
  body: Buffer,
  authorization: string | undefined = sign(path, body),
): Promise<string> {
  const metadata = new grpc.Metadata();
  if (authorization !== undefined && authorization !== "") metadata.set("authorization", authorization);
  const same = (bytes: Buffer): Buffer => bytes;
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, same, same, body, metadata, (error) => {
      const code = error?.metadata?.get("skerry-code")[0];
      resolve(error ? String(code ?? grpc.status[error.code]) : "ok");
    });
  });
}

const pathOf = (name: string): string => definition[name]!.path;
const bytesOf = (name: string, request: object): Buffer => definition[name]!.requestSerialize(request);
const HEAD = "HeadObject";
const head = (): Buffer => bytesOf(HEAD, { bucket: "bucket", key: "kept" });

async function refused(reason: string): Promise<number | undefined> {
  const families = parseExposition(await metrics.text());
  return sampleValue(families, "skerry_masterd_grpc_refused_total", { reason });
}

const expectServed = async (): Promise<void> => expect(await call(pathOf(HEAD), head())).toBe("ok");

describe("a signature", () => {
  const minute = 60_000;
  const cases: [what: string, make: () => string][] = [
    ["that is missing", () => ""],
    ["that is no signature", () => "Bearer abc"],
    [
      "with a wrong secret",
      () => sign(pathOf(HEAD), head(), { secrets: { ...TEST_SECRETS, clusterSecret: "x" } }),
    ],
    [
      "of another cluster",
      () => sign(pathOf(HEAD), head(), { secrets: { ...TEST_SECRETS, clusterId: "f".repeat(32) } }),
    ],
    ["of two minutes ago", () => sign(pathOf(HEAD), head(), { time: Date.now() - 2 * minute })],
    ["of two minutes from now", () => sign(pathOf(HEAD), head(), { time: Date.now() + 2 * minute })],
    ["for another method", () => sign(pathOf("DeleteObject"), head())],
    ["for another request", () => sign(pathOf(HEAD), bytesOf(HEAD, { bucket: "bucket", key: "other" }))],
  ];
  for (const [what, make] of cases) {
    test(`S15: ${what} is refused`, async () => {
      expect(await call(pathOf(HEAD), head(), make())).toBe("UNAUTHENTICATED");
      expect(await refused("UNAUTHENTICATED")).toBe(1);
      await expectServed();
    });
  }

  test("S15: is good for one call", async () => {
    const once = sign(pathOf(HEAD), head());
    expect(await call(pathOf(HEAD), head(), once)).toBe("ok");
    expect(await call(pathOf(HEAD), head(), once)).toBe("UNAUTHENTICATED");
    expect(await refused("UNAUTHENTICATED")).toBe(1);
  });

  test("S15: of a client opens no chunkserver's method, and the other way round", async () => {
    const register = bytesOf("Register", { id: "s1", address: "a:1" });
    expect(await call(pathOf("Register"), register)).toBe("FORBIDDEN");
    expect(await call(pathOf(HEAD), head(), sign(pathOf(HEAD), head(), { role: "chunkserver" }))).toBe(
      "FORBIDDEN",
    );
    expect(await refused("FORBIDDEN")).toBe(2);
  });
});

describe("a call", () => {
  test("of a method that is not there, or a request that is no protobuf, is answered and nothing else", async () => {
    expect(await call("/skerry.master.v1.Master/Nothing", head())).toBe("UNIMPLEMENTED");
    expect(await call("/other.Service/HeadObject", head())).toBe("UNIMPLEMENTED");
    const garbage = Buffer.from("ffffffffffffffffffff", "hex");
    expect(await call(pathOf(HEAD), garbage, "")).toBe("UNAUTHENTICATED");
    expect(await call(pathOf(HEAD), garbage)).toBe("BAD_REQUEST");
    expect(await refused("BAD_REQUEST")).toBe(1);
    // A text that ends behind the message is cut off there.
    expect(await call(pathOf(HEAD), Buffer.from([0x0a, 0xff, 0xff, 0xff, 0x7f]))).toBe("NO_SUCH_BUCKET");
    await expectServed();
  });

  test("over the limit of a message is refused", async () => {
    const large = bytesOf(HEAD, { bucket: "bucket", key: "k".repeat(MASTER_LIMITS.metaSizeMax + 1) });
    expect(await call(pathOf(HEAD), large)).toBe("RESOURCE_EXHAUSTED");
    await expectServed();
  });

  test("with odd values in each field is answered, never with INTERNAL", async () => {
    const requests: [string, object][] = [
      [HEAD, { bucket: "bucket", key: "kept" }],
      ["ListObjects", { bucket: "bucket", prefix: "a", delimiter: "/", after: "b", max: 3 }],
      ["Locate", { handles: [1, 2] }],
      ["OpenChunks", { count: 1 }],
      ["CommitObject", { bucket: "bucket", key: "x", data: emptyData(), attributes: NO_ATTRIBUTES }],
      [
        "CompleteUpload",
        { bucket: "bucket", key: "x", uploadId: "u", parts: [{ partNumber: 1, etag: "e" }] },
      ],
    ];
    const surprises: string[] = [];
    let calls = 0;
    for (const [name, request] of requests) {
      for (const [where, mutated] of mutations(request)) {
        const body = encoded(name, mutated as object);
        if (!body) continue;
        calls++;
        if ((await call(pathOf(name), body)) === "INTERNAL") surprises.push(`${name} ${where}`);
      }
    }
    expect(surprises).toEqual([]);
    expect(calls).toBeGreaterThan(100);
    await expectServed();
  }, 60_000);

  test("one of 2,000 at once is answered, and bytes that are no HTTP/2 end their connection", async () => {
    using stranger = await HostileClient.connect(address);
    stranger.send(Buffer.alloc(4096, 0xff));
    const codes = await Promise.all(Array.from({ length: 2_000 }, () => call(pathOf(HEAD), head())));
    expect(new Set(codes)).toEqual(new Set(["ok"]));
    await stranger.closed;
    await expectServed();
  }, 30_000);
});

/** What protobuf cannot carry is not sent. */
function encoded(name: string, request: object): Buffer | undefined {
  try {
    return bytesOf(name, request);
  } catch {
    return undefined;
  }
}
