import { afterEach, describe, expect, test } from "bun:test";
import type { MasterOptions } from "../server/start.ts";
import { ScriptedChunkserver } from "../testing/scripted-chunkserver.ts";
import { behind, type Cluster, cluster, commit, isWhole, openChunk } from "../testing/scripted-cluster.ts";
import { cleanUp, until } from "../testing/test-master.ts";

afterEach(cleanUp);

const CHUNKS = 30;
const LENGTH = behind(1);

/** Room beside which a handful of small chunks counts, and new chunks have room all the same. */
const FREE = 1 << 30;
const OPTIONS: Partial<MasterOptions> = { rebalanceBand: (LENGTH * CHUNKS) / 5 / FREE };

/** `CHUNKS` whole chunks on three servers. */
async function filled(options = OPTIONS): Promise<Cluster & { handles: number[] }> {
  const all = await cluster(3, options);
  for (const server of all.servers) server.freeBytes = FREE;
  for (const server of all.servers) await server.heartbeat();
  const handles: number[] = [];
  for (let i = 0; i < CHUNKS; i++) {
    const handle = await openChunk(all);
    for (const server of all.servers) server.grow(handle, LENGTH);
    await commit(all, handle);
    await all.master.closeChunks({ handles: [handle] });
    await until(() => all.servers.every((s) => isWhole(s, handle, LENGTH)), "it is sealed");
    handles.push(handle);
  }
  return { ...all, handles };
}

async function addServer(all: Cluster): Promise<ScriptedChunkserver> {
  const server = new ScriptedChunkserver("s4", new Map(all.servers.map((other) => [other.id, other])));
  server.freeBytes = FREE;
  await server.join(all.address);
  all.servers.push(server);
  return server;
}

const counts = (all: Cluster): number[] => all.servers.map(({ replicas }) => replicas.size);
const commands = (all: Cluster): number =>
  all.servers.reduce((sum, server) => sum + server.commands.length, 0);

describe("a new empty server", () => {
  test("gets replicas until all have about as much, each chunk whole on three all the while", async () => {
    const all = await filled();
    const fourth = await addServer(all);
    await until(
      () => fourth.replicas.size > 0 && all.servers.some((s) => s.replicas.size < CHUNKS),
      "it begins",
    );
    await until(() => {
      for (const handle of all.handles) {
        expect(all.servers.filter((server) => isWhole(server, handle, LENGTH)).length).toBeGreaterThanOrEqual(
          3,
        );
      }
      return Math.max(...counts(all)) - fourth.replicas.size <= CHUNKS / 5;
    }, "they are even");
    await until(() => counts(all).reduce((a, b) => a + b) === 3 * CHUNKS, "no replica is too many");
    const before = commands(all);
    const from = performance.now();
    await until(() => performance.now() - from > 300, "many ticks have passed");
    expect(commands(all)).toBe(before);
    expect((await all.master.status(null)).repair.rebalancedBytes).toBeGreaterThan(0);
  });

  test("gets nothing while it is within the band", async () => {
    const all = await filled({ rebalanceBand: 0.5 });
    const fourth = await addServer(all);
    const from = performance.now();
    await until(() => performance.now() - from > 200, "many ticks have passed");
    expect(fourth.commands).toEqual([]);
  });

  test("gets nothing by moves while a chunk needs repair", async () => {
    const all = await filled();
    all.servers[0]!.failures.set("copy", "NO_SPACE");
    all.servers[0]!.silent.add("copy");
    await all.master.reportDamage({ handle: all.handles[0]!, replica: "s1" });
    await until(
      () => all.servers[0]!.commands.some((command) => command.startsWith("copy")),
      "it is repaired",
    );
    const fourth = await addServer(all);
    const from = performance.now();
    await until(() => performance.now() - from > 200, "many ticks have passed");
    expect(fourth.commands).toEqual([]);
  });
});
