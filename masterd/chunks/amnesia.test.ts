import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { systemClock } from "../../std/clock.ts";
import { systemDisk } from "../../std/disk.ts";
import { silentLog } from "../../std/log.ts";
import { writeBackup } from "../store/backup-file.ts";
import { restoreDirectory } from "../store/restore.ts";
import { ScriptedChunkserver } from "../testing/scripted-chunkserver.ts";
import { cluster, commit, openChunk, sealedChunk } from "../testing/scripted-cluster.ts";
import {
  cleanUp,
  codeOf,
  crashedCopy,
  startTestMaster,
  testDirectory,
  until,
} from "../testing/test-master.ts";

afterEach(cleanUp);

/** As often as the chunk manager looks after everything, many times over. */
async function manyTicks(): Promise<void> {
  const from = performance.now();
  await until(() => performance.now() - from > 200, "many ticks have passed");
}

describe("an older copy of the master's directory", () => {
  test("serves nothing and commands nobody once a chunkserver tells of the newer one", async () => {
    const all = await cluster(3);
    const before = await openChunk(all);
    for (const server of all.servers) server.grow(before, 64);
    const older = await crashedCopy(all.directory);
    const later = await sealedChunk(all);
    await all.servers[0]!.heartbeat();
    const seen = all.servers[0]!.reached.at(-1)!;
    for (const server of all.servers) server.leave();
    const { master, address, problems } = await startTestMaster({
      directory: older,
      orphanGraceMs: 0,
      goneMs: 50,
    });
    for (const server of all.servers) {
      server.commands.length = 0;
      server.masterSeen = seen;
      await server.join(address);
    }
    await manyTicks();
    expect(all.servers.flatMap(({ commands }) => commands)).toEqual([]);
    expect(all.servers.every(({ replicas }) => replicas.has(later))).toBe(true);
    const error = await master.listBuckets({ max: 1 }).catch((error) => error);
    expect(error).toMatchObject({ code: "NOT_READY" });
    expect(error.message).toContain(`has seen sequence ${seen.sequence}.`);
    expect(error.message).toContain("restore");
    expect(problems()).toEqual([error.message]);
  });

  test("is noticed even where only a server that was removed since remembers", async () => {
    const all = await cluster(4);
    const removed = all.servers[3]!;
    const { address } = await startTestMaster({ directory: await crashedCopy(all.directory) });
    removed.leave();
    await until(
      async () => !(await all.master.listChunkservers(null)).servers.find(({ id }) => id === "s4")!.alive,
      "it is away",
    );
    await all.master.removeChunkserver({ id: "s4", force: true });
    const again = await startTestMaster({ directory: await crashedCopy(all.directory) });
    const { sequence } = (await again.master.status(null)).journal;
    const { restoredAt } = removed.reached[0]!;
    removed.masterSeen = { restoredAt, sequence: sequence + 1 };
    expect(await codeOf(removed.join(again.address))).toBe("REMOVED");
    expect(again.problems()).toHaveLength(1);
    expect(address).not.toBe(again.address);
  });
});

describe("a master that has forgotten nothing", () => {
  test("serves servers that have seen as much as it has, after a crash too", async () => {
    const all = await cluster(3);
    const handle = await openChunk(all);
    for (const server of all.servers) server.grow(handle, 64 + 2000);
    await commit(all, handle);
    const [first] = all.servers;
    await first!.heartbeat();
    const { sequence } = (await all.master.status(null)).journal;
    expect(first!.reached.at(-1)).toEqual({ restoredAt: 0, sequence });
    const { address, problems } = await startTestMaster({ directory: await crashedCopy(all.directory) });
    const server = new ScriptedChunkserver("s1");
    server.masterSeen = { restoredAt: 0, sequence };
    await server.join(address);
    expect(problems()).toEqual([]);
  });

  test("serves servers that have seen a greater sequence before a restore", async () => {
    const all = await cluster(3);
    await sealedChunk(all);
    const file = join(await testDirectory(), "backup");
    const { id, ...info } = await all.master.beginBackup(null);
    await writeBackup(systemDisk, file, {
      info,
      read: async (offset, length) => (await all.master.readBackup({ id, offset, length })).bytes,
    });
    const directory = join(await testDirectory(), "masterd");
    const environment = { clock: systemClock, disk: systemDisk, log: silentLog };
    await restoreDirectory(environment, file, directory);
    const { address, problems } = await startTestMaster({ directory });
    const server = new ScriptedChunkserver("s1");
    server.masterSeen = { restoredAt: 0, sequence: 1_000_000 };
    await server.join(address);
    expect(problems()).toEqual([]);
    expect(server.reached[0]!.restoredAt).toBeGreaterThan(0);
  });
});
