import { afterEach, describe, expect, test } from "bun:test";
import { ProtocolError } from "../../chunkd/protocol/errors.ts";
import { serve } from "../../chunkd/protocol/serve.ts";
import { MASTER_LIMITS, METHODS } from "../protocol/messages.ts";
import {
  atEnd,
  cleanUp,
  codeOf,
  emptyData,
  testEnvironment as env,
  NO_ATTRIBUTES,
  startTestMaster,
  TEST_SECRETS,
} from "../testing/test-master.ts";
import { connectMaster, type MasterClientOptions } from "./client.ts";

afterEach(cleanUp);

function connect(address: string, more: Partial<MasterClientOptions> = {}) {
  const client = connectMaster(env, { address, secrets: TEST_SECRETS, id: "test", ...more });
  atEnd(() => client.close());
  return client;
}

const commit = { bucket: "bucket", key: "k", data: emptyData(), attributes: NO_ATTRIBUTES };

/** A master that answers with `handler` alone. */
async function fakeMaster(handler: Parameters<typeof serve>[3]["handler"]) {
  const listener = await serve(env, "127.0.0.1:0", TEST_SECRETS, { limits: MASTER_LIMITS, handler });
  atEnd(() => listener.close());
  return listener;
}

describe("the master's client", () => {
  test("waits for a master that starts late or again, for any call that did not reach it", async () => {
    const first = await startTestMaster();
    const { address, directory } = first;
    const client = connect(address);
    await client.createBucket({ name: "bucket", owner: "u" });
    await first.close();
    // A new client: the first may still hold the connection that ends, and a commit sent over it has no known outcome.
    const waiting = [client.listBuckets({ max: 10 }), connect(address).commitObject(commit)] as const;
    await startTestMaster({ directory, listen: address });
    const [listed, committed] = await Promise.all(waiting);
    expect(listed.buckets.map(({ name }) => name)).toEqual(["bucket"]);
    expect(committed.modifiedAt).toBeGreaterThan(0);
  });

  test("gives up after its patience", async () => {
    const { address, close } = await startTestMaster();
    await close();
    const started = performance.now();
    const error = await connect(address, { patienceMs: 100 })
      .status(null)
      .catch((e) => e);
    expect(error).toBeInstanceOf(ProtocolError);
    expect(error.code).toBe("DISCONNECTED");
    expect(performance.now() - started).toBeLessThan(3_000);
  });

  test("repeats a call whose answer was lost only where that changes nothing", async () => {
    const calls: number[] = [];
    const { address } = await fakeMaster((opcode, _meta, _body, from) => {
      calls.push(opcode);
      if (calls.filter((call) => call === opcode).length > 1) return { meta: { buckets: [] } };
      from.close();
      return new Promise(() => {});
    });
    const client = connect(address);
    expect(await codeOf(client.commitObject(commit))).toBe("DISCONNECTED");
    expect(await client.listBuckets({ max: 1 })).toEqual({ buckets: [] });
    expect(calls).toEqual([METHODS.commitObject, METHODS.listBuckets, METHODS.listBuckets]);
  });

  test("does not repeat what the master refused, nor knock on with the wrong secret", async () => {
    const { address } = await startTestMaster();
    expect(await codeOf(connect(address).getBucket({ name: "absent" }))).toBe("NO_SUCH_BUCKET");
    const secrets = { ...TEST_SECRETS, clusterSecret: "another" };
    expect(await codeOf(connect(address, { secrets }).status(null))).toBe("UNAUTHENTICATED");
  });

  test("makes one connection for calls that start together, and none after it is closed", async () => {
    const peers = new Set<unknown>();
    const { address } = await fakeMaster((_opcode, _meta, _body, from) => {
      peers.add(from);
      return { meta: { buckets: [] } };
    });
    const client = connect(address);
    await Promise.all(Array.from({ length: 20 }, () => client.listBuckets({ max: 1 })));
    expect(peers.size).toBe(1);
    client.close();
    expect(await codeOf(client.listBuckets({ max: 1 }))).toBe("DISCONNECTED");
  });
});
