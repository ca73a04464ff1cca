import { afterEach, describe, expect, test } from "bun:test";
import { ScriptedChunkserver } from "../testing/scripted-chunkserver.ts";
import { behind, cluster, isWhole, located, openChunk, sealedChunk } from "../testing/scripted-cluster.ts";
import { cleanUp, codeOf, crashedCopy, startTestMaster, until } from "../testing/test-master.ts";

afterEach(cleanUp);

describe("a chunkserver that comes again", () => {
  test("keeps its replicas in the readers' eyes until its report has ended", async () => {
    const all = await cluster(3);
    const handle = await sealedChunk(all);
    const [first] = all.servers;
    await until(async () => (await all.master.status(null)).chunks.byReplicas[3] === 1, "the master knows");
    first!.leave();
    await until(async () => (await located(all, handle)).length === 2, "it is away");
    await first!.register(all.address);
    expect(await located(all, handle)).toEqual(["s1", "s2", "s3"]);
    expect((await all.master.status(null)).chunks.byReplicas).toEqual([0, 0, 0, 1, 0]);
    await first!.report();
    expect(await located(all, handle)).toEqual(["s1", "s2", "s3"]);
    expect(
      all.servers.flatMap(({ commands }) => commands).some((command) => command.startsWith("copy")),
    ).toBe(false);
  });

  test("loses what its report does not name when the report ends", async () => {
    const all = await cluster(3);
    const handle = await sealedChunk(all);
    const [first] = all.servers;
    first!.leave();
    first!.replicas.clear();
    first!.silent.add("copy");
    await first!.register(all.address);
    expect(await located(all, handle)).toEqual(["s1", "s2", "s3"]);
    await first!.report();
    expect(await located(all, handle)).toEqual(["s2", "s3"]);
  });

  test("is no reason to remove a replica elsewhere before it has reported", async () => {
    const all = await cluster(3);
    const handle = await sealedChunk(all);
    const fourth = new ScriptedChunkserver("s4", new Map(all.servers.map((server) => [server.id, server])));
    const [first] = all.servers;
    first!.leave();
    await first!.register(all.address);
    fourth.replicas.set(handle, { version: 2, length: behind(1), sealed: true });
    await fourth.join(all.address);
    expect(await located(all, handle)).toEqual(["s1", "s2", "s3", "s4"]);
    const removed = () =>
      [...all.servers, fourth].filter((s) => s.commands.includes(`remove ${handle}`)).length;
    const from = performance.now();
    await until(() => performance.now() - from > 200, "many ticks have passed");
    expect(removed()).toBe(0);
    await first!.report();
    await until(() => removed() === 1, "one is removed");
    expect([...all.servers, fourth].filter((server) => isWhole(server, handle, behind(1)))).toHaveLength(3);
  });

  test("keeps its bad name until the replica is another", async () => {
    const all = await cluster(3);
    const handle = await sealedChunk(all);
    const [first] = all.servers;
    first!.failures.set("copy", "NO_SPACE");
    await all.master.reportDamage({ handle, replica: "s1" });
    first!.leave();
    await first!.join(all.address);
    expect((await all.master.status(null)).chunks.byReplicas).toEqual([0, 0, 1, 0, 0]);
  });
});

describe("a full report that is repeated", () => {
  test("drops what has gone since the report before", async () => {
    const all = await cluster(3);
    const handle = await sealedChunk(all);
    // A seal whose answer comes during the report would count as told in it.
    const told = async () => (await all.master.status(null)).chunks.underReplicated === 0;
    await until(told, "the master has heard of all seals");
    const [first] = all.servers;
    first!.replicas.clear();
    first!.silent.add("copy");
    await first!.beginReport();
    expect(await located(all, handle)).toEqual(["s1", "s2", "s3"]);
    await first!.report();
    expect(await located(all, handle)).toEqual(["s2", "s3"]);
  });

  test("drops nothing that was made, sealed or copied while it was under way", async () => {
    const all = await cluster(3);
    const [first] = all.servers;
    const open = await openChunk(all);
    for (const server of all.servers) server.grow(open, behind(1));
    const lost = await sealedChunk(all);
    first!.replicas.delete(lost);
    await first!.beginReport();
    const listed = [...first!.replicas].filter(([handle]) => handle !== open);
    // The master knows of all of these before the batch that does not name them.
    const made = await sealedChunk(all);
    await all.master.reportDamage({ handle: lost, replica: "s1" });
    await until(() => first!.replicas.has(lost), "the lost one is copied again");
    await until(async () => (await located(all, lost)).length === 3, "the master knows");
    first!.replicas.clear();
    for (const [name, replica] of listed) first!.replicas.set(name, replica);
    first!.silent.add("copy");
    await first!.report();
    expect(await located(all, made)).toEqual(["s1", "s2", "s3"]);
    expect(await located(all, lost)).toEqual(["s1", "s2", "s3"]);
    expect(await located(all, open)).toEqual(["s1", "s2", "s3"]);
  });

  test("drops nothing when it breaks off", async () => {
    const all = await cluster(3);
    const handle = await sealedChunk(all);
    const [first] = all.servers;
    await first!.beginReport();
    first!.leave();
    await first!.join(all.address);
    expect(await located(all, handle)).toEqual(["s1", "s2", "s3"]);
  });

  test("finds what nobody knows, and leaves it its grace", async () => {
    const all = await cluster(3, { orphanGraceMs: 300 });
    await sealedChunk(all);
    const [first] = all.servers;
    first!.replicas.set(4711, { version: 1, length: 500, sealed: false });
    const from = performance.now();
    await first!.beginReport();
    await first!.report();
    await first!.beginReport();
    await first!.report();
    expect((await all.master.status(null)).orphans.count).toBe(1);
    await until(() => first!.commands.includes("remove 4711"), "it is removed");
    expect(performance.now() - from).toBeGreaterThan(250);
  });
});

test("a chunkserver whose disk had failed before it registered gets no chunk", async () => {
  const all = await cluster(3);
  const fourth = new ScriptedChunkserver("s4");
  fourth.diskFailed = true;
  fourth.freeBytes = 2e12;
  await fourth.join(all.address);
  const found = (await all.master.status(null)).servers.find(({ id }) => id === "s4");
  expect(found?.diskFailed).toBe(true);
  const { leases } = await all.master.openChunks({ count: 8 });
  expect(leases.flatMap(({ replicas }) => replicas.map(({ id }) => id))).not.toContain("s4");
});

describe("a second chunkserver with an id that is taken", () => {
  test("is refused while the first answers, and taken when that is gone", async () => {
    const all = await cluster(3);
    const handle = await sealedChunk(all);
    const twin = new ScriptedChunkserver("s1");
    expect(await codeOf(twin.register(all.address, "test:elsewhere"))).toBe("FORBIDDEN");
    expect(await located(all, handle)).toEqual(["s1", "s2", "s3"]);
    all.servers[0]!.leave();
    await until(async () => (await located(all, handle)).length === 2, "the first is away");
    await twin.register(all.address, "test:elsewhere");
    expect((await all.master.status(null)).servers.map(({ address }) => address)).toContain("test:elsewhere");
  });

  test("is the same one when it comes from the same address", async () => {
    const all = await cluster(3);
    const again = new ScriptedChunkserver("s1");
    expect(await codeOf(again.join(all.address))).toBe("resolved");
  });
});

test("servers that the catalog knows are told of before they come, and count as away", async () => {
  const all = await cluster(5);
  await openChunk(all); // what was journalled before is then durable as well
  const second = await startTestMaster({ directory: await crashedCopy(all.directory) });
  for (const server of all.servers.slice(0, 2)) await server.join(second.address);
  const { servers, repair } = await second.master.status(null);
  expect(servers.map(({ id, alive }) => `${id} ${alive}`)).toEqual([
    "s1 true",
    "s2 true",
    "s3 false",
    "s4 false",
    "s5 false",
  ]);
  expect(repair.holding).toBe(true);
});
