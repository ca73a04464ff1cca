import { afterEach, describe, expect, test } from "bun:test";
import { ScriptedChunkserver } from "../testing/scripted-chunkserver.ts";
import { behind, cluster, commit, isWhole, openChunk, sealedCount } from "../testing/scripted-cluster.ts";
import { cleanUp, codeOf, crashedCopy, startTestMaster, until } from "../testing/test-master.ts";

afterEach(cleanUp);

describe("opening chunks", () => {
  test("takes two servers at least, and is refused with fewer", async () => {
    const one = await cluster(1);
    expect(await codeOf(one.master.openChunks({ count: 1 }))).toBe("NOT_ENOUGH_SERVERS");
    const second = new ScriptedChunkserver("s2");
    await second.join(one.address);
    const { leases } = await one.master.openChunks({ count: 3 });
    expect(leases.map(({ replicas }) => replicas.length)).toEqual([2, 2, 2]);
    second.leave();
    await until(
      async () => (await codeOf(one.master.openChunks({ count: 1 }))) !== "resolved",
      "it is refused",
    );
  });

  test("spreads the primaries, and leaves out full and failed servers", async () => {
    const all = await cluster(4);
    const { leases } = await all.master.openChunks({ count: 40 });
    const primaries = leases.map(({ replicas }) => replicas[0]!.id);
    for (const { id } of all.servers) {
      const count = primaries.filter((primary) => primary === id).length;
      expect(Math.abs(count - 10)).toBeLessThan(4);
    }
    expect(new Set(leases.map(({ handle }) => handle)).size).toBe(40);
    all.servers[0]!.freeBytes = 1;
    all.servers[1]!.diskFailed = true;
    for (const server of all.servers) await server.heartbeat();
    const [lease] = (await all.master.openChunks({ count: 1 })).leases;
    expect(lease!.replicas.map(({ id }) => id).sort()).toEqual(["s3", "s4"]);
    all.servers[2]!.freeBytes = 1;
    await all.servers[2]!.heartbeat();
    expect(await codeOf(all.master.openChunks({ count: 1 }))).toBe("NO_SPACE");
  });
});

describe("the end of a lease", () => {
  test("is a seal at the second largest length, and the short replica is made again", async () => {
    const all = await cluster(3);
    const handle = await openChunk(all);
    for (const [i, server] of all.servers.entries()) server.grow(handle, behind([3, 2, 1][i]!));
    await commit(all, handle, 1);
    await all.master.closeChunks({ handles: [handle] });
    await until(
      () => all.servers.every((server) => isWhole(server, handle, behind(2))),
      "all replicas are whole",
    );
    expect(all.servers[2]!.commands.filter((command) => command.startsWith("copy"))).toHaveLength(1);
    expect(await codeOf(commit(all, handle, 2))).toBe("STALE_EXTENT");
    expect(await codeOf(commit(all, handle, 0, "again"))).toBe("resolved");
    await until(
      async () => (await all.master.status(null)).chunks.underReplicated === 0,
      "it counts as whole",
    );
  });

  test("does not wait for a member whose replica is damaged", async () => {
    const all = await cluster(3, { goneMs: 50 });
    const handle = await openChunk(all);
    const [first, second, third] = all.servers;
    for (const server of all.servers) server.grow(handle, behind(1));
    await commit(all, handle);
    second!.failures.set("fence", "CHECKSUM");
    third!.leave();
    const beats = [first!, second!].map((server) =>
      setInterval(() => server.heartbeat().catch(() => {}), 10),
    );
    await all.master.closeChunks({ handles: [handle] });
    await until(() => isWhole(first!, handle, behind(1)), "the sound replica is sealed");
    for (const beat of beats) clearInterval(beat);
  });

  test("comes by itself when it is not renewed, and not while it is", async () => {
    const all = await cluster(3, { leaseMs: 150 });
    const [kept, left] = [await openChunk(all), await openChunk(all)];
    for (const server of all.servers) for (const handle of [kept, left]) server.grow(handle, behind(1));
    let renewals = 0;
    await until(async () => {
      const { leases } = await all.master.renewLeases({ handles: [kept] });
      expect(leases.map(({ handle }) => handle)).toEqual([kept]);
      renewals++;
      return isWhole(all.servers[0]!, left, behind(1));
    }, "the other is sealed");
    expect(renewals).toBeGreaterThan(2);
    expect(all.servers[0]!.replicas.get(kept)!.sealed).toBe(false);
    expect((await all.master.renewLeases({ handles: [left, 12345] })).leases).toEqual([]);
  });

  test("seals at the larger of two lengths when the third server is away, and never below what was committed", async () => {
    const all = await cluster(3);
    const handle = await openChunk(all);
    const [first, second, third] = all.servers;
    first!.grow(handle, behind(1));
    second!.grow(handle, behind(2));
    third!.grow(handle, behind(2));
    await commit(all, handle, 1);
    third!.leave();
    await all.master.closeChunks({ handles: [handle] });
    await until(() => isWhole(second!, handle, behind(2)), "the longer one is sealed");
    await until(() => isWhole(first!, handle, behind(2)), "the shorter one is made again");
  });

  test("waits for the silent one when another cannot read its file: the two may have acknowledged more", async () => {
    const all = await cluster(3);
    const handle = await openChunk(all);
    const [first, second, third] = all.servers;
    second!.grow(handle, behind(1));
    third!.grow(handle, behind(2));
    await commit(all, handle, 0);
    first!.failures.set("fence", "CHECKSUM");
    third!.leave();
    await all.master.closeChunks({ handles: [handle] });
    const fences = () => second!.commands.filter((command) => command === `fence ${handle}`).length;
    await until(() => fences() > 2, "it is tried again and again");
    expect(await sealedCount(all)).toBe(0);
    await third!.join(all.address);
    await until(() => isWhole(third!, handle, behind(2)), "the longer one is sealed");
  });

  test("waits for a second answer, and takes one alone when the others count as gone", async () => {
    const all = await cluster(3, { goneMs: 300 });
    const handle = await openChunk(all);
    const [first, second, third] = all.servers;
    for (const server of all.servers) server.grow(handle, behind(2));
    await commit(all, handle, 0);
    second!.leave();
    third!.leave();
    await all.master.closeChunks({ handles: [handle] });
    await until(() => first!.commands.includes(`fence ${handle}`), "it is asked");
    expect(await sealedCount(all)).toBe(0);
    const beat = setInterval(() => first!.heartbeat().catch(() => {}), 50);
    await until(() => isWhole(first!, handle, behind(2)), "it is sealed alone");
    clearInterval(beat);
  });

  test("does not seal short of committed data, whatever the servers say", async () => {
    const all = await cluster(3);
    const handle = await openChunk(all);
    for (const server of all.servers) server.grow(handle, behind(1));
    await commit(all, handle, 1);
    await all.master.closeChunks({ handles: [handle] });
    await until(
      () => all.servers[0]!.commands.filter((command) => command === `fence ${handle}`).length > 2,
      "it is tried",
    );
    expect(await sealedCount(all)).toBe(0);
    all.servers[2]!.grow(handle, behind(2));
    await until(
      () => all.servers.every((server) => isWhole(server, handle, behind(2))),
      "the longer one is found",
    );
  });

  test("with two members needs both or the one that is left", async () => {
    const all = await cluster(2);
    const [both, alone] = [await openChunk(all), await openChunk(all)];
    const [first, second] = all.servers;
    first!.grow(both, behind(2));
    second!.grow(both, behind(1));
    first!.grow(alone, behind(2));
    second!.grow(alone, behind(2));
    await commit(all, both, 0);
    await commit(all, alone, 1);
    await all.master.closeChunks({ handles: [both] });
    await until(
      () => all.servers.every((server) => isWhole(server, both, behind(1))),
      "both have the smaller length",
    );
    second!.leave();
    await all.master.closeChunks({ handles: [alone] });
    await until(() => isWhole(first!, alone, behind(2)), "the other is sealed alone");
  });

  test("of a chunk that never got data is its end", async () => {
    const all = await cluster(3, { deleteGraceMs: 0 });
    const handle = await openChunk(all);
    all.servers[0]!.grow(handle, 64);
    await all.master.closeChunks({ handles: [handle] });
    await until(() => !all.servers[0]!.replicas.has(handle), "the file is removed");
    await until(async () => (await all.master.status(null)).chunks.deleting === 0, "it is forgotten");
    expect(await codeOf(commit(all, handle))).toBe("STALE_EXTENT");
  });

  test("survives a crash of the master at each of its steps", async () => {
    for (const silent of ["fence", "seal"]) {
      const all = await cluster(3);
      const handle = await openChunk(all);
      for (const server of all.servers) {
        server.grow(handle, behind(2));
        server.silent.add(silent);
      }
      await commit(all, handle, 0);
      await all.master.closeChunks({ handles: [handle] });
      await until(
        () => all.servers.every(({ commands }) => commands.includes(`${silent} ${handle}`)),
        "it got so far",
      );
      const second = await startTestMaster({ directory: await crashedCopy(all.directory) });
      for (const server of all.servers) {
        server.silent.clear();
        await server.join(second.address);
      }
      await until(
        () => all.servers.every((server) => isWhole(server, handle, behind(2))),
        `sealed after ${silent}`,
      );
      await cleanUp();
    }
  });

  test("is near for a chunk with a damaged replica: its lease is not renewed", async () => {
    const all = await cluster(3);
    const [damaged, sound] = [await openChunk(all), await openChunk(all)];
    const replica = all.servers[1]!.id;
    all.servers[1]!.grow(damaged, behind(1));
    await all.master.reportDamage({ handle: damaged, replica });
    const { leases } = await all.master.renewLeases({ handles: [damaged, sound] });
    expect(leases.map(({ handle }) => handle)).toEqual([sound]);
  });

  test("comes for every open chunk when the master starts again", async () => {
    const all = await cluster(3);
    const handles = (await all.master.openChunks({ count: 20 })).leases.map(({ handle }) => handle);
    for (const server of all.servers) for (const handle of handles) server.grow(handle, behind(1));
    const second = await startTestMaster({ directory: await crashedCopy(all.directory) });
    expect((await second.master.renewLeases({ handles })).leases).toEqual([]);
    for (const server of all.servers) await server.join(second.address);
    await until(
      () => handles.every((handle) => all.servers.every((server) => isWhole(server, handle, behind(1)))),
      "all are sealed",
    );
  });
});
