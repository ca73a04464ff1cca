import { afterEach, describe, expect, test } from "bun:test";
import { ScriptedChunkserver } from "../testing/scripted-chunkserver.ts";
import { behind, cluster, commit, isWhole, openChunk, sealedChunk } from "../testing/scripted-cluster.ts";
import { cleanUp, codeOf, crashedCopy, startTestMaster, until } from "../testing/test-master.ts";

afterEach(cleanUp);

describe("garbage", () => {
  test("is removed after its grace, and never referred to again", async () => {
    const all = await cluster(3, { commitMarginMs: 0, deleteGraceMs: 300 });
    const handle = await sealedChunk(all);
    await all.master.deleteObject({ bucket: "bucket", key: `${handle}/0` });
    const deletedAt = performance.now();
    await until(async () => (await all.master.status(null)).chunks.deleting === 1, "it is marked");
    expect(await codeOf(commit(all, handle))).toBe("STALE_EXTENT");
    expect(all.servers.every((server) => server.replicas.has(handle))).toBe(true);
    await until(
      () => all.servers.every((server) => !server.replicas.has(handle)),
      "all replicas are removed",
    );
    expect(performance.now() - deletedAt).toBeGreaterThan(250);
    await until(async () => (await all.master.status(null)).chunks.deleting === 0, "it is forgotten");
  });

  test("that a server away still holds is remembered until that server has removed it", async () => {
    const all = await cluster(3, { commitMarginMs: 0, deleteGraceMs: 0 });
    const handle = await sealedChunk(all);
    const [first, second] = all.servers;
    first!.leave();
    await all.master.deleteObject({ bucket: "bucket", key: `${handle}/0` });
    await until(() => !second!.replicas.has(handle), "the others removed it");
    expect((await all.master.status(null)).chunks.deleting).toBe(1);
    const restarted = await startTestMaster({
      directory: await crashedCopy(all.directory),
      deleteGraceMs: 0,
    });
    await first!.join(restarted.address);
    for (const server of all.servers.slice(1)) await server.join(restarted.address);
    await until(() => !first!.replicas.has(handle), "it removed it too");
    await until(async () => (await restarted.master.status(null)).chunks.deleting === 0, "it is forgotten");
  });

  test("is not what a writer may still commit", async () => {
    const all = await cluster(3, { commitMarginMs: 200, abandonedGraceMs: 60_000, deleteGraceMs: 0 });
    const handle = await openChunk(all);
    for (const server of all.servers) server.grow(handle, behind(1));
    await all.master.closeChunks({ handles: [handle] });
    await until(() => all.servers.every((server) => isWhole(server, handle, behind(1))), "it is sealed");
    const sealedAt = performance.now();
    await until(() => performance.now() - sealedAt > 400, "the shorter margin is over");
    expect(await codeOf(commit(all, handle))).toBe("resolved");
  });

  test("are orphans, but only after their grace", async () => {
    const all = await cluster(3, { orphanGraceMs: 300 });
    const known = await sealedChunk(all);
    const [first] = all.servers;
    first!.leave();
    first!.replicas.set(4711, { version: 1, length: 500, sealed: true });
    const reportedAt = performance.now();
    await first!.join(all.address);
    const beat = setInterval(() => first!.heartbeat().catch(() => {}), 50);
    await until(() => !first!.replicas.has(4711), "the orphan is removed");
    clearInterval(beat);
    expect(performance.now() - reportedAt).toBeGreaterThan(280);
    expect(first!.replicas.has(known)).toBe(true);
  });

  test("is nothing to a master that knows fewer chunks than it is told of", async () => {
    const all = await cluster(3, { orphanGraceMs: 0 });
    await sealedChunk(all);
    const [first] = all.servers;
    first!.leave();
    for (let handle = 1; handle <= 100; handle++) {
      first!.replicas.set(handle, { version: 2, length: 500, sealed: true });
    }
    const removed = () => first!.commands.filter((command) => command.startsWith("remove")).length;
    await first!.join(all.address);
    const ticks = performance.now();
    await until(() => performance.now() - ticks > 200, "many ticks have passed");
    expect(removed()).toBe(0);
  });

  test("makes a new master refuse to serve when the cluster has chunks already", async () => {
    const started = await startTestMaster({ orphanGraceMs: 0, deleteGraceMs: 0 });
    const server = new ScriptedChunkserver("s1");
    server.replicas.set(99, { version: 2, length: 500, sealed: true });
    await server.join(started.address);
    expect(await codeOf(started.master.listBuckets({ max: 10 }))).toBe("NOT_READY");
    expect(await codeOf(started.master.createBucket({ name: "bucket", owner: "u" }))).toBe("NOT_READY");
    expect(server.commands).toEqual([]);
  });
});
