import { afterEach, describe, expect, test } from "bun:test";
import { extentEnd } from "../../chunkd/protocol/record.ts";
import type { MasterOptions } from "../server/start.ts";
import { openStore } from "../store/open-store.ts";
import type { ScriptedChunkserver } from "../testing/scripted-chunkserver.ts";
import { behind, type Cluster, cluster, commit, isWhole, openChunk } from "../testing/scripted-cluster.ts";
import {
  cleanUp,
  crashedCopy,
  extentAt,
  startTestMaster,
  TEST_SECRETS,
  testEnvironment,
  until,
} from "../testing/test-master.ts";

afterEach(cleanUp);

const OPTIONS: Partial<MasterOptions> = {
  commitMarginMs: 0,
  deleteGraceMs: 0,
  compactBytesMin: 500,
  compactRatio: 0.3,
  compactEveryMs: 20,
};

/** A sealed chunk of `count` objects "k0", "k1", ..., all but those in `kept` deleted again. */
async function chunkWithGarbage(all: Cluster, count: number, kept: number[]): Promise<number> {
  const handle = await openChunk(all);
  for (const server of all.servers) server.grow(handle, behind(count));
  for (let i = 0; i < count; i++) await commit(all, handle, i, `k${i}`);
  await all.master.closeChunks({ handles: [handle] });
  await until(() => all.servers.every((server) => isWhole(server, handle, behind(count))), "it is sealed");
  // At once: a compaction may begin with the first.
  const deleted = Array.from({ length: count }, (_, i) => i).filter((i) => !kept.includes(i));
  await all.master.deleteObjects({ bucket: "bucket", objects: deleted.map((i) => ({ key: `k${i}` })) });
  return handle;
}

const extentsOf = async ({ master }: Pick<Cluster, "master">, key: string) =>
  (await master.getObject({ bucket: "bucket", key })).object.extents;

const compactions = (servers: ScriptedChunkserver[]): number =>
  servers.reduce((sum, server) => sum + server.commands.filter((c) => c.startsWith("compact")).length, 0);

/** Until many sweeps must have passed over everything. */
async function sweeps(all: Cluster): Promise<void> {
  const from = performance.now();
  await until(() => performance.now() - from > 300, "sweeps have passed");
  await all.master.status(null);
}

describe("a chunk of much garbage", () => {
  test("goes, and what was live in it is in a new chunk on the same servers", async () => {
    const all = await cluster(3, OPTIONS);
    const old = await chunkWithGarbage(all, 10, [2, 7]);
    await until(() => all.servers.every((server) => !server.replicas.has(old)), "the old chunk is removed");
    const [first, second] = [await extentsOf(all, "k2"), await extentsOf(all, "k7")];
    const { handle } = first[0]!;
    expect(handle).not.toBe(old);
    expect(first).toEqual([{ ...extentAt(handle, 0), checksum: extentAt(old, 2).offset }]);
    expect(second).toEqual([{ ...extentAt(handle, 1), checksum: extentAt(old, 7).offset }]);
    expect(all.servers.every((server) => isWhole(server, handle, behind(2)))).toBe(true);
    await until(async () => (await all.master.status(null)).garbage.compacted === 1, "it is counted");
    const { chunks } = await all.master.status(null);
    expect(chunks).toMatchObject({ sealed: 1, underReplicated: 0, byReplicas: [0, 0, 0, 1, 0] });
  });

  test("keeps the parts of uploads, and is moved for copies of an object as well", async () => {
    const all = await cluster(3, OPTIONS);
    const upload = { bucket: "bucket", key: "large" };
    const attributes = { headers: {}, metadata: {}, checksums: {} };
    const { uploadId } = await all.master.createUpload({ ...upload, owner: "u", attributes });
    const handle = await openChunk(all);
    for (const server of all.servers) server.grow(handle, behind(10));
    const data = { size: 1000, etag: "0".repeat(32), extents: [extentAt(handle, 9)] };
    await all.master.commitPart({ ...upload, uploadId, partNumber: 1, data, checksums: {} });
    await commit(all, handle, 4, "original");
    await all.master.copyObject({
      source: { bucket: "bucket", key: "original" },
      bucket: "bucket",
      key: "copy",
    });
    await all.master.closeChunks({ handles: [handle] });
    await until(
      () => all.servers.every((server) => server.replicas.get(handle) === undefined),
      "it is compacted",
    );
    expect(await extentsOf(all, "copy")).toEqual(await extentsOf(all, "original"));
    const parts = [{ partNumber: 1, etag: data.etag }];
    await all.master.completeUpload({ ...upload, uploadId, parts, checksums: {} });
    const [part] = await extentsOf(all, "large");
    expect(all.servers.every((server) => isWhole(server, part!.handle, behind(2)))).toBe(true);
  });

  test("is left alone while a writer may still commit to it, and when it is mostly live", async () => {
    const all = await cluster(3, { ...OPTIONS, compactRatio: 0.5 });
    const live = await chunkWithGarbage(all, 10, [0, 1, 2, 3, 4, 5, 6]);
    const handle = await openChunk(all);
    for (const server of all.servers) server.grow(handle, behind(10));
    await commit(all, handle, 0);
    await all.master.renewLeases({ handles: [], uncommitted: [handle] });
    await all.master.closeChunks({ handles: [handle] });
    await sweeps(all);
    expect(compactions(all.servers)).toBe(0);
    expect(all.servers.every((server) => server.replicas.has(live) && server.replicas.has(handle))).toBe(
      true,
    );
  });

  test("is left alone when its holders give different answers, and what they made is removed", async () => {
    const all = await cluster(3, OPTIONS);
    all.servers[1]!.compactionSalt = 1;
    const handle = await chunkWithGarbage(all, 10, [2]);
    await until(() => compactions(all.servers) >= 3, "all were asked");
    await sweeps(all);
    const asked = compactions(all.servers);
    await sweeps(all);
    expect(compactions(all.servers)).toBe(asked);
    expect(all.servers.every(({ replicas }) => replicas.size === 1)).toBe(true);
    expect(await extentsOf(all, "k2")).toEqual([extentAt(handle, 2)]);
  });

  test("is compacted by two of three, and the third gets a copy", async () => {
    const all = await cluster(3, OPTIONS);
    const handle = await openChunk(all);
    all.servers[2]!.failures.set("compact", "NO_SPACE");
    for (const server of all.servers) server.grow(handle, behind(5));
    await commit(all, handle, 4, "kept");
    await all.master.closeChunks({ handles: [handle] });
    const target = async () => (await extentsOf(all, "kept"))[0]!.handle;
    await until(async () => (await target()) !== handle, "it is moved");
    const made = await target();
    await until(() => all.servers.every((server) => isWhole(server, made, behind(1))), "all three have it");
    expect(all.servers[2]!.commands).toContain(`copy ${made}`);
  });

  test("is not compacted by one holder alone", async () => {
    const all = await cluster(3, OPTIONS);
    for (const server of all.servers.slice(1)) server.failures.set("compact", "NO_SPACE");
    const handle = await chunkWithGarbage(all, 10, [2]);
    await until(() => compactions(all.servers) > 5, "it was tried twice");
    expect(await extentsOf(all, "k2")).toEqual([extentAt(handle, 2)]);
  });

  test("is compacted anew after a crash before the new chunk was journalled", async () => {
    const all = await cluster(3, { ...OPTIONS, compactEveryMs: 3_600_000 });
    const old = await chunkWithGarbage(all, 10, [2, 7]);
    for (const server of all.servers) {
      server.replicas.set(4711, { version: 2, length: behind(2), sealed: true });
    }
    const second = await startTestMaster({ ...OPTIONS, directory: await crashedCopy(all.directory) });
    for (const server of all.servers) await server.join(second.address);
    await expectCompacted(all, second, old);
    expect(all.servers.every((server) => server.replicas.has(4711))).toBe(true);
    expect((await second.master.status(null)).orphans).toMatchObject({ count: 3, held: null });
  });

  test.each([0, 1, 2])("is compacted after a crash with %d of 2 objects moved", async (count) => {
    const all = await cluster(3, { ...OPTIONS, compactEveryMs: 3_600_000 });
    const old = await chunkWithGarbage(all, 10, [2, 7]);
    const directory = await crashedCopy(all.directory);
    const target = 4711;
    const store = await openStore(testEnvironment, { directory, clusterId: TEST_SECRETS.clusterId });
    const chunk = { handle: target, source: old, version: 2, length: behind(2), members: ["s1", "s2", "s3"] };
    await store.submit<"addCompacted">({ type: "addCompacted", at: 1, ...chunk });
    const moves = [2, 7].slice(0, count).map((index, i) => {
      const { offset, length, checksum } = extentAt(old, index);
      const newOffset = extentAt(target, i).offset;
      return { offset, length, checksum, newOffset, newChecksum: extentAt(old, index).offset };
    });
    const objects = ["k2", "k7"].map((key) => ({ bucket: 1, key }));
    const rest = { source: old, target, extents: moves, objects, parts: [] };
    await store.submit<"moveExtents">({ type: "moveExtents", at: 1, ...rest });
    await store.close();
    for (const server of all.servers) {
      server.leave();
      server.replicas.set(target, { version: 2, length: behind(2), sealed: true });
    }
    const second = await startTestMaster({ ...OPTIONS, directory });
    for (const server of all.servers) await server.join(second.address);
    await expectCompacted(all, second, old);
  });
});

/** The old chunk goes in the end, and both objects are whole in others. */
async function expectCompacted(all: Cluster, master: Pick<Cluster, "master">, old: number): Promise<void> {
  await until(() => all.servers.every((server) => !server.replicas.has(old)), "the old chunk is removed");
  for (const key of ["k2", "k7"]) {
    const [extent] = await extentsOf(master, key);
    expect(extent).toMatchObject({ length: 1000 });
    const end = extentEnd(extent!);
    const holds = ({ replicas }: ScriptedChunkserver) => (replicas.get(extent!.handle)?.length ?? 0) >= end;
    expect(all.servers.every(holds)).toBe(true);
  }
}
