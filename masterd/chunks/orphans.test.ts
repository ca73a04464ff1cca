import { afterEach, describe, expect, test } from "bun:test";
import { openStore } from "../store/open-store.ts";
import { type Cluster, cluster, sealedChunk } from "../testing/scripted-cluster.ts";
import {
  cleanUp,
  crashedCopy,
  startTestMaster,
  TEST_SECRETS,
  testEnvironment,
  until,
} from "../testing/test-master.ts";

afterEach(cleanUp);

const ORPHAN = { version: 2, length: 500, sealed: true };

/** A master on what `all`'s directory was, marked as a restore does it, and all servers with it. */
async function restored(all: Cluster) {
  const directory = await crashedCopy(all.directory);
  const store = await openStore(testEnvironment, { directory, clusterId: TEST_SECRETS.clusterId });
  await store.submit<"holdOrphans">({ type: "holdOrphans", hold: true, at: 5 });
  await store.close();
  const second = await startTestMaster({ directory, orphanGraceMs: 0, commitMarginMs: 0, deleteGraceMs: 0 });
  for (const server of all.servers) {
    server.leave();
    await server.join(second.address);
  }
  return second;
}

const removed = (all: Cluster): string[] =>
  all.servers.flatMap(({ commands }) => commands.filter((command) => command.startsWith("remove")));

async function manyTicks(): Promise<void> {
  const from = performance.now();
  await until(() => performance.now() - from > 200, "many ticks have passed");
}

describe("chunks that a restored master does not know", () => {
  test("are kept until the operator's word, then removed, and nothing that is known with them", async () => {
    const all = await cluster(3);
    const known = await sealedChunk(all);
    for (const server of all.servers) server.replicas.set(4711, { ...ORPHAN });
    const { master } = await restored(all);
    await manyTicks();
    expect(removed(all)).toEqual([]);
    expect((await master.status(null)).orphans).toEqual({ count: 3, bytes: 1500, held: "catalog-restored" });
    expect(await master.discardOrphans(null)).toEqual({ count: 3 });
    await until(() => removed(all).length === 3, "they are removed");
    expect(new Set(removed(all))).toEqual(new Set(["remove 4711"]));
    expect(all.servers.every((server) => server.replicas.has(known))).toBe(true);
    await until(async () => (await master.status(null)).orphans.count === 0, "the master has seen that");
  });

  test("are kept together with chunks in which it sees nothing live", async () => {
    const all = await cluster(3);
    const known = await sealedChunk(all);
    const { master } = await restored(all);
    await master.deleteObject({ bucket: "bucket", key: `${known}/0` });
    await manyTicks();
    expect((await master.status(null)).chunks).toMatchObject({ sealed: 1, deleting: 0 });
    await master.discardOrphans(null);
    await until(() => removed(all).length === 3, "it is removed after the operator's word");
  });

  test("are kept through another restart", async () => {
    const all = await cluster(3);
    await sealedChunk(all);
    all.servers[0]!.replicas.set(4711, { ...ORPHAN });
    const first = await restored(all);
    const second = await startTestMaster({ directory: await crashedCopy(first.directory), orphanGraceMs: 0 });
    for (const server of all.servers) {
      server.leave();
      await server.join(second.address);
    }
    await manyTicks();
    expect(removed(all)).toEqual([]);
    expect((await second.master.status(null)).orphans.held).toBe("catalog-restored");
  });
});

describe("orphans", () => {
  test("that are more than the known chunks are kept until the operator's word", async () => {
    const all = await cluster(3, { orphanGraceMs: 0 });
    await sealedChunk(all);
    const [first] = all.servers;
    first!.leave();
    for (let handle = 1; handle <= 100; handle++) first!.replicas.set(handle, { ...ORPHAN });
    await first!.join(all.address);
    await manyTicks();
    expect((await all.master.status(null)).orphans).toMatchObject({ count: 100, held: "too-many" });
    expect(removed(all)).toEqual([]);
    await all.master.discardOrphans(null);
    await until(() => removed(all).length === 100, "they are removed");
  });

  test("are forgotten when the server does not report them again", async () => {
    const all = await cluster(3);
    const [first] = all.servers;
    first!.leave();
    first!.replicas.set(4711, { ...ORPHAN });
    await sealedChunk({ ...all, servers: all.servers.slice(1) });
    await first!.join(all.address);
    expect((await all.master.status(null)).orphans.count).toBe(1);
    first!.leave();
    first!.replicas.delete(4711);
    await first!.join(all.address);
    expect((await all.master.status(null)).orphans.count).toBe(0);
  });
});
