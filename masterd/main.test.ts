import { afterEach, describe, expect, test } from "bun:test";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { connectMaster } from "./client/client.ts";
import { clusterFile, PROCESS_SECRETS, runMaster } from "./testing/master-process.ts";
import {
  atEnd,
  cleanUp,
  codeOf,
  emptyData,
  NO_ATTRIBUTES,
  testDirectory,
  testEnvironment,
} from "./testing/test-master.ts";

afterEach(cleanUp);

async function flagsFor(directory: string): Promise<string[]> {
  return ["--dir", directory, "--grpc-listen", "127.0.0.1:0", "--cluster", await clusterFile()];
}

function connect(address: string) {
  const client = connectMaster(testEnvironment, {
    address,
    secrets: PROCESS_SECRETS,
    id: "test",
    patienceMs: 5_000,
  });
  atEnd(() => client.close());
  return client;
}

/** How a master that does not come up ends. */
async function failure(flags: string[]): Promise<{ code: number; error: string }> {
  const { child } = runMaster(flags);
  const lines = (await new Response(child.stderr).text()).trim().split("\n");
  return { code: await child.exited, error: lines.at(-1)! };
}

describe("the master's process", () => {
  test("prints its addresses when it is ready, and ends cleanly on SIGTERM or when its supervisor is gone", async () => {
    const flags = await flagsFor(await testDirectory());
    const first = runMaster(flags);
    const ready = await first.ready;
    expect(ready.event).toBe("ready");
    expect(ready.address).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
    expect(ready.grpcAddress).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
    await connect(ready.address).createBucket({ name: "bucket", owner: "u" });
    first.child.kill("SIGTERM");
    expect(await first.child.exited).toBe(0);
    const second = runMaster(flags, { SKERRY_SUPERVISED: "1" });
    const { address } = await second.ready;
    expect((await connect(address).getBucket({ name: "bucket" })).owner).toBe("u");
    second.child.stdin.end();
    expect(await second.child.exited).toBe(0);
  });

  test("keeps every acknowledged commit when it is killed while it writes, over and over", async () => {
    const directory = await testDirectory();
    const flags = await flagsFor(directory);
    const acknowledged = new Set<string>();
    for (let round = 0; round < 3; round++) {
      const { child, ready } = runMaster(flags);
      const { address } = await ready;
      const client = connectMaster(testEnvironment, {
        address,
        secrets: PROCESS_SECRETS,
        id: "test",
        patienceMs: 0,
      });
      if (round === 0) await client.createBucket({ name: "bucket", owner: "u" });
      const enough = Promise.withResolvers<void>();
      let count = 0;
      const write = async (writer: number): Promise<never> => {
        for (let i = 0; ; i++) {
          const key = `${round}/${writer}/${i}`;
          await client.commitObject({
            bucket: "bucket",
            key,
            data: emptyData(key),
            attributes: NO_ATTRIBUTES,
          });
          acknowledged.add(key);
          if (++count === 1_000) enough.resolve();
        }
      };
      const writers = Array.from({ length: 16 }, (_, writer) => codeOf(write(writer)));
      await enough.promise;
      child.kill("SIGKILL");
      await child.exited;
      expect(new Set(await Promise.all(writers))).toEqual(new Set(["DISCONNECTED"]));
      client.close();
    }
    const { ready } = runMaster(flags);
    const client = connect((await ready).address);
    const present = new Map<string, string>();
    for (let after: string | undefined; ; ) {
      const page = await client.listObjects({ bucket: "bucket", after, max: 1000 });
      for (const { key, etag } of page.objects) present.set(key, etag);
      if (page.next === undefined) break;
      after = page.next;
    }
    for (const key of acknowledged) expect(present.get(key)).toBe(emptyData(key).etag);
    expect(acknowledged.size).toBeGreaterThanOrEqual(3_000);
    expect((await client.status(null)).objects).toBe(present.size);
  }, 20_000);

  test("says in one line why it cannot start", async () => {
    const directory = await testDirectory();
    const flags = await flagsFor(directory);
    const { ready, child } = runMaster(flags);
    const { address, grpcAddress } = await ready;
    const elsewhere = await flagsFor(await testDirectory());
    expect(await failure(flags)).toMatchObject({
      code: 1,
      error: expect.stringContaining("another masterd runs on"),
    });
    const taken = { code: 1, error: expect.stringContaining("in use; choose another port") };
    expect(await failure([...elsewhere, "--listen", address])).toMatchObject(taken);
    expect(await failure([...elsewhere, "--grpc-listen", grpcAddress])).toMatchObject(taken);
    await connect(address).createBucket({ name: "bucket", owner: "u" });
    child.kill("SIGKILL");
    await child.exited;
    for (const name of await readdir(join(directory, "journal"))) await rm(join(directory, "journal", name));
    const lost = { code: 1, error: expect.stringContaining("Restore the master's directory") };
    expect(await failure(flags)).toMatchObject(lost);
    expect(await failure(["--cluster", "x"])).toMatchObject({
      code: 2,
      error: expect.stringContaining("--dir"),
    });
    expect(await failure([...elsewhere, "--listen", "nowhere"])).toMatchObject({ code: 2 });
  }, 20_000);
});
