// A master restored from a backup that is older than what the chunkservers hold (F30).
import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import { type Clock, systemClock } from "../std/clock.ts";
import { systemDisk } from "../std/disk.ts";
import { silentLog } from "../std/log.ts";
import { writeBackup } from "./store/backup-file.ts";
import { restoreDirectory } from "./store/restore.ts";
import { type Cluster, cluster, commit, openChunk, sealedChunk } from "./testing/scripted-cluster.ts";
import { cleanUp, codeOf, startTestMaster, testDirectory, until } from "./testing/test-master.ts";

afterEach(cleanUp);

const TICK_MS = 10;
/** Everything that may be removed is, at the next tick. */
const NO_GRACE = {
  tickMs: TICK_MS,
  orphanGraceMs: 0,
  deleteGraceMs: 0,
  commitMarginMs: 0,
  abandonedGraceMs: 0,
};

async function backupOf({ master }: Cluster): Promise<string> {
  const { id, ...info } = await master.beginBackup(null);
  const path = join(await testDirectory(), "backup");
  await writeBackup(systemDisk, path, {
    info,
    read: async (offset, length) => (await master.readBackup({ id, offset, length })).bytes,
  });
  await master.endBackup({ id });
  return path;
}

/** A clock that tells how often the master has ticked. */
function tickCounter(): { clock: Clock; ticks(): number } {
  let ticks = 0;
  const after: Clock["after"] = (ms, run) =>
    systemClock.after(ms, () => {
      if (ms === TICK_MS) ticks++;
      run();
    });
  return { clock: { ...systemClock, after }, ticks: () => ticks };
}

async function restoredWith(path: string, { servers }: Cluster) {
  const directory = join(await testDirectory(), "masterd");
  await restoreDirectory({ clock: systemClock, disk: systemDisk, log: silentLog }, path, directory);
  const { clock, ticks } = tickCounter();
  const started = await startTestMaster({ ...NO_GRACE, directory }, { clock });
  for (const server of servers) {
    server.leave();
    server.commands.length = 0;
    await server.join(started.address);
  }
  const pass = async (count: number): Promise<void> => {
    const from = ticks();
    await until(() => ticks() >= from + count, "the master has ticked");
  };
  return { master: started.master, pass };
}

const removals = ({ servers }: Cluster): string[] =>
  servers.flatMap(({ commands }) => commands.filter((command) => command.startsWith("remove")));

test("reads the old objects, and removes nothing that came later before the operator says so", async () => {
  const all = await cluster(3);
  const old = await sealedChunk(all);
  // Open when the backup is taken, with nothing in it yet; later it has an object.
  const between = await openChunk(all);
  const path = await backupOf(all);
  for (const server of all.servers) server.grow(between, server.replicas.get(old)!.length);
  await commit(all, between);
  const later = await sealedChunk(all);
  await all.master.closeChunks({ handles: [between] });
  await until(() => all.servers.every(({ replicas }) => replicas.get(between)?.sealed), "both are sealed");

  const { master, pass } = await restoredWith(path, all);
  await until(async () => (await master.status(null)).orphans.count === 3, "the later chunk is an orphan");
  await pass(30);
  expect(removals(all)).toEqual([]);
  for (const handle of [old, between, later]) {
    expect(all.servers.every(({ replicas }) => replicas.has(handle))).toBe(true);
  }
  expect((await master.status(null)).orphans.held).toBe("catalog-restored");
  const { object, locations } = await master.getObject({ bucket: "bucket", key: `${old}/0` });
  expect([object.size, locations[old]!.length]).toEqual([1000, 3]);
  expect(await codeOf(master.headObject({ bucket: "bucket", key: `${later}/0` }))).toBe("NO_SUCH_KEY");

  await master.discardOrphans(null);
  await until(() => all.servers.every(({ replicas }) => !replicas.has(later)), "the orphan is removed");
  await until(() => all.servers.every(({ replicas }) => !replicas.has(between)), "the dead chunk is removed");
  expect((await master.getObject({ bucket: "bucket", key: `${old}/0` })).locations[old]!.length).toBe(3);
});

test("serves when the backup is from before the first chunk", async () => {
  const all = await cluster(3);
  const path = await backupOf(all);
  await sealedChunk(all);
  const { master, pass } = await restoredWith(path, all);
  await pass(30);
  expect(removals(all)).toEqual([]);
  expect((await master.listBuckets({ max: 10 })).buckets.length).toBe(1);
});
