import { afterEach, describe, expect, test } from "bun:test";
import { ScriptedChunkserver } from "../testing/scripted-chunkserver.ts";
import {
  behind,
  cluster,
  commit,
  isWhole,
  located,
  openChunk,
  sealedChunk,
} from "../testing/scripted-cluster.ts";
import { atEnd, cleanUp, until } from "../testing/test-master.ts";

afterEach(cleanUp);

describe("replicas", () => {
  test("of a server that comes back without its data are made again in place", async () => {
    const all = await cluster(3);
    const handle = await sealedChunk(all);
    const [first] = all.servers;
    first!.leave();
    first!.replicas.clear();
    await first!.join(all.address);
    await until(() => isWhole(first!, handle, behind(1)), "it has the chunk again");
    await until(async () => (await located(all, handle)).includes("s1"), "readers are told");
  });

  test("that are short, stale or unsealed are neither told nor a reason to delete, and are made again", async () => {
    for (const replica of [
      { version: 2, length: behind(1) - 1, sealed: true },
      { version: 1, length: behind(1), sealed: true },
      { version: 3, length: behind(1), sealed: true },
      { version: 1, length: 64, sealed: false },
    ]) {
      const all = await cluster(3);
      const handle = await sealedChunk(all);
      const [first] = all.servers;
      first!.leave();
      first!.replicas.set(handle, replica);
      first!.silent.add("copy");
      await first!.join(all.address);
      expect(await located(all, handle)).toEqual(["s2", "s3"]);
      await until(() => first!.commands.includes(`copy ${handle}`), "a copy over it is ordered");
      for (const server of all.servers) expect(server.commands).not.toContain(`remove ${handle}`);
      await cleanUp();
    }
  });

  test("that fail a checksum are told last and made again from a good one", async () => {
    const all = await cluster(3);
    const handle = await sealedChunk(all);
    const [, second, third] = all.servers;
    second!.failures.set("copy", "NO_SPACE");
    await all.master.reportDamage({ handle, replica: "s2" });
    const { locations } = await all.master.locate({ handles: [handle] });
    expect(locations[handle]!.at(-1)!.id).toBe("s2");
    await until(() => second!.commands.includes(`copy ${handle}`), "a reader's word is enough");
    second!.failures.clear();
    await until(async () => (await all.master.status(null)).chunks.underReplicated === 0, "it is made again");
    third!.damaged = [handle];
    await third!.heartbeat();
    await until(() => third!.damaged.length === 0, "its own word is enough");
  });

  test("of a chunk that was opened, not yet written when the connections broke, are found once it is", async () => {
    const all = await cluster(3);
    const handle = await openChunk(all);
    for (const server of all.servers) {
      server.leave();
      await server.join(all.address);
    }
    for (const server of all.servers) server.grow(handle, behind(1));
    await commit(all, handle);
    expect(await located(all, handle)).toEqual(["s1", "s2", "s3"]);
  });

  test("are tried again at once when another holder comes back, whatever failed meanwhile", async () => {
    const all = await cluster(3);
    const handle = await sealedChunk(all);
    const [first, , third] = all.servers;
    third!.leave();
    first!.failures.set("copy", "NO_SPACE");
    await all.master.reportDamage({ handle, replica: "s1" });
    const tries = (): number => first!.commands.filter((command) => command === `copy ${handle}`).length;
    await until(() => tries() === 3, "the next attempt is 4 s away");
    first!.failures.clear();
    const from = performance.now();
    await third!.join(all.address);
    await until(() => tries() === 4, "it is tried again");
    expect(performance.now() - from).toBeLessThan(2_500);
  });

  test("that could not be sealed on full disks are sealed when there is room again", async () => {
    const all = await cluster(3);
    const handle = await openChunk(all);
    for (const server of all.servers) {
      server.grow(handle, behind(1));
      server.failures.set("seal", "NO_SPACE");
    }
    await commit(all, handle);
    await all.master.closeChunks({ handles: [handle] });
    const seals = () =>
      all.servers.map(({ commands }) => commands.filter((c) => c.startsWith("seal")).length);
    await until(() => Math.max(...seals()) === 3, "one was asked twice more, and refused");
    expect(seals().sort()).toEqual([1, 1, 3]);
    for (const server of all.servers) server.failures.clear();
    await until(() => all.servers.every((server) => isWhole(server, handle, behind(1))), "all are sealed");
  }, 20_000);

  test("go to a third server when a chunk was opened on two", async () => {
    const all = await cluster(2);
    const handle = await sealedChunk(all);
    expect((await all.master.status(null)).chunks.underReplicated).toBe(1);
    const third = new ScriptedChunkserver("s3", new Map(all.servers.map((server) => [server.id, server])));
    await third.join(all.address);
    await until(() => isWhole(third, handle, behind(1)), "the third has it");
    await until(async () => (await located(all, handle)).length === 3, "readers are told");
  });

  test("go to another server when one is gone, and not while it is only away", async () => {
    const all = await cluster(4, { goneMs: 400 });
    const beats = all.servers.map((server) => setInterval(() => server.heartbeat().catch(() => {}), 50));
    const handle = await openChunk(all);
    const members = all.servers.filter((server) => server.id !== "s4");
    const lease = (await located(all, handle)).sort();
    const holders = all.servers.filter(({ id }) => lease.includes(id));
    const spare = all.servers.find(({ id }) => !lease.includes(id))!;
    expect(members).toHaveLength(3);
    for (const server of holders) server.grow(handle, behind(1));
    await commit(all, handle);
    await all.master.closeChunks({ handles: [handle] });
    await until(() => holders.every((server) => isWhole(server, handle, behind(1))), "it is sealed");
    clearInterval(beats[all.servers.indexOf(holders[0]!)]);
    holders[0]!.leave();
    const leftAt = performance.now();
    await until(() => isWhole(spare, handle, behind(1)), "the fourth server has it");
    expect(performance.now() - leftAt).toBeGreaterThan(300);
    for (const beat of beats) clearInterval(beat);
  });

  test("are not moved when more than half of the servers vanish at once", async () => {
    const all = await cluster(5, { goneMs: 300 });
    const before = all.servers.map((server) => setInterval(() => server.heartbeat().catch(() => {}), 40));
    const handle = await openChunk(all);
    const lease = await located(all, handle);
    const holders = all.servers.filter(({ id }) => lease.includes(id));
    for (const server of holders) server.grow(handle, behind(1));
    await commit(all, handle);
    await all.master.closeChunks({ handles: [handle] });
    await until(() => holders.every((server) => isWhole(server, handle, behind(1))), "it is sealed");
    const [kept] = holders;
    const spare = all.servers.find((server) => !holders.includes(server))!;
    const beats = [kept!, spare].map((server) => setInterval(() => server.heartbeat().catch(() => {}), 40));
    for (const beat of before) clearInterval(beat);
    for (const server of all.servers) if (server !== kept && server !== spare) server.leave();
    await until(async () => {
      const { servers } = await all.master.status(null);
      return servers.filter(({ lastSeenMs }) => lastSeenMs > 500).length === 3;
    }, "three of five are long gone");
    expect(spare.commands).toEqual([]);
    for (const beat of beats) clearInterval(beat);
  });

  test("are not moved at once when the missing begin to come back after many vanished", async () => {
    const all = await cluster(5, { goneMs: 600 });
    const handle = await openChunk(all);
    const lease = await located(all, handle);
    const holders = all.servers.filter(({ id }) => lease.includes(id));
    const spares = all.servers.filter((server) => !holders.includes(server));
    for (const server of holders) server.grow(handle, behind(1));
    await commit(all, handle);
    await all.master.closeChunks({ handles: [handle] });
    await until(() => holders.every((server) => isWhole(server, handle, behind(1))), "it is sealed");
    const beating = new Set(all.servers);
    const beat = setInterval(() => {
      for (const server of beating) server.heartbeat().catch(() => {});
    }, 40);
    atEnd(() => clearInterval(beat));
    // One of three holders and both others vanish for longer than it takes to be gone.
    const [lost] = holders;
    for (const server of [lost!, ...spares]) {
      beating.delete(server);
      server.leave();
    }
    const gone = async () =>
      (await all.master.status(null)).servers.filter(({ lastSeenMs }) => lastSeenMs > 700);
    await until(async () => (await gone()).length === 3, "three of five are long gone");
    for (const server of spares) {
      await server.join(all.address);
      beating.add(server);
    }
    const backAt = performance.now();
    expect((await all.master.status(null)).repair.holding).toBe(true);
    await until(
      () => spares.some((server) => isWhole(server, handle, behind(1))),
      "a spare has it in the end",
    );
    expect(performance.now() - backAt).toBeGreaterThan(500);
  });
});
