import { afterEach, describe, expect, test } from "bun:test";
import { ScriptedChunkserver } from "../testing/scripted-chunkserver.ts";
import {
  behind,
  type Cluster,
  cluster,
  commit,
  isWhole,
  located,
  openChunk,
  sealedChunk,
} from "../testing/scripted-cluster.ts";
import { atEnd, cleanUp, codeOf, crashedCopy, startTestMaster, until } from "../testing/test-master.ts";

afterEach(cleanUp);

async function infoOf({ master }: Pick<Cluster, "master">, id: string) {
  return (await master.listChunkservers(null)).servers.find((server) => server.id === id)!;
}

/** A fourth server, "s4". */
async function addServer(all: Cluster): Promise<ScriptedChunkserver> {
  const server = new ScriptedChunkserver("s4", new Map(all.servers.map((other) => [other.id, other])));
  await server.join(all.address);
  return server;
}

describe("draining a chunkserver", () => {
  test("moves what it has, opens nothing there, and ends when nothing is left", async () => {
    const all = await cluster(3);
    const handle = await sealedChunk(all);
    const [open] = (await all.master.openChunks({ count: 1 })).leases;
    const fourth = await addServer(all);
    expect((await all.master.drainChunkserver({ id: "s1" })).state).toBe("draining");
    expect((await all.master.renewLeases({ handles: [open!.handle] })).leases).toEqual([]);
    const { leases } = await all.master.openChunks({ count: 20 });
    expect(leases.flatMap(({ replicas }) => replicas.map(({ id }) => id))).not.toContain("s1");
    await until(() => isWhole(fourth, handle, behind(1)), "the fourth has it");
    await until(() => !all.servers[0]!.replicas.has(handle), "the first has it no more");
    expect((await infoOf(all, "s1")).state).toBe("draining");
    await all.master.closeChunks({ handles: [open!.handle] });
    await until(async () => (await infoOf(all, "s1")).state === "drained", "it is drained");
    expect(await located(all, handle)).toEqual(["s2", "s3", "s4"]);
    expect((await all.master.status(null)).chunks.underReplicated).toBe(0);
  });

  test("says what it waits for where three replicas have no other place, and goes on once they have", async () => {
    const all = await cluster(3);
    const handle = await sealedChunk(all);
    const info = await all.master.drainChunkserver({ id: "s2" });
    expect(info.leftBehind).toBe(1);
    expect(info.waitsFor).toContain("another chunkserver");
    expect(info.waitsFor).toContain("only 2 others");
    expect(all.servers[1]!.replicas.has(handle)).toBe(true);
    const fourth = await addServer(all);
    await until(async () => (await infoOf(all, "s2")).state === "drained", "it is drained");
    expect((await infoOf(all, "s2")).waitsFor).toBeNull();
    expect(isWhole(fourth, handle, behind(1))).toBe(true);
  });

  test("is taken back, and nothing moves", async () => {
    const all = await cluster(3);
    const handle = await sealedChunk(all);
    await all.master.drainChunkserver({ id: "s2" });
    expect((await all.master.undrainChunkserver({ id: "s2" })).state).toBe("active");
    const fourth = await addServer(all);
    const [lease] = (await all.master.openChunks({ count: 1 })).leases;
    expect(lease!.replicas).toHaveLength(3);
    expect(fourth.replicas.has(handle)).toBe(false);
    expect(await located(all, handle)).toEqual(["s1", "s2", "s3"]);
  });

  test("goes on after a crash of the master", async () => {
    const all = await cluster(3);
    const handle = await sealedChunk(all);
    await all.master.drainChunkserver({ id: "s1" });
    const second = await startTestMaster({ directory: await crashedCopy(all.directory), goneMs: 300 });
    for (const server of all.servers) await server.join(second.address);
    const fourth = await addServer({ ...all, address: second.address });
    const beats = [...all.servers, fourth].map((server) => setInterval(() => void server.heartbeat(), 40));
    atEnd(() => beats.forEach(clearInterval));
    await until(async () => (await infoOf(second, "s1")).state === "drained", "it is drained");
    expect(isWhole(fourth, handle, behind(1))).toBe(true);
  });
});

describe("removing a chunkserver", () => {
  test("is refused unless it is drained, and with force while it answers", async () => {
    const all = await cluster(3);
    await sealedChunk(all);
    expect(await codeOf(all.master.removeChunkserver({ id: "s1" }))).toBe("SERVER_STATE");
    expect(await codeOf(all.master.removeChunkserver({ id: "s1", force: true }))).toBe("SERVER_STATE");
    expect(await codeOf(all.master.removeChunkserver({ id: "s9", force: true }))).toBe("NO_SUCH_SERVER");
    expect(await codeOf(all.master.drainChunkserver({ id: "s9" }))).toBe("NO_SUCH_SERVER");
    expect((await infoOf(all, "s1")).state).toBe("active");
  });

  test("that is drained lets it go, and it is refused when it comes again until it is taken back", async () => {
    const all = await cluster(3);
    const fourth = await addServer(all);
    await all.master.drainChunkserver({ id: "s4" });
    await until(async () => (await infoOf(all, "s4")).state === "drained", "it is drained");
    expect(await all.master.removeChunkserver({ id: "s4" })).toMatchObject({ state: "removed", lost: 0 });
    expect((await all.master.status(null)).servers.map(({ id }) => id)).toEqual(["s1", "s2", "s3"]);
    expect(await codeOf(fourth.join(all.address))).toBe("REMOVED");
    await all.master.undrainChunkserver({ id: "s4" });
    expect(await codeOf(fourth.join(all.address))).toBe("resolved");
    expect(await infoOf(all, "s4")).toMatchObject({ state: "active", alive: true });
  });

  test("by force makes its replicas count no more at once", async () => {
    const all = await cluster(3);
    const handle = await sealedChunk(all);
    const fourth = await addServer(all);
    all.servers[0]!.leave();
    await until(async () => !(await infoOf(all, "s1")).alive, "it is away");
    expect(await all.master.removeChunkserver({ id: "s1", force: true })).toMatchObject({ lost: 0 });
    await until(() => isWhole(fourth, handle, behind(1)), "the fourth has it");
    expect((await infoOf(all, "s1")).chunks).toBe(0);
  });

  test("by force tells how many chunks had their last replica there", async () => {
    const all = await cluster(3, { goneMs: 60_000 });
    const handle = await sealedChunk(all);
    for (const server of all.servers.slice(1)) {
      server.leave();
      server.replicas.clear();
      server.silent.add("copy");
    }
    all.servers[0]!.leave();
    for (const server of all.servers.slice(1)) await server.join(all.address);
    expect(await located(all, handle)).toEqual([]);
    expect(await all.master.removeChunkserver({ id: "s1", force: true })).toMatchObject({ lost: 1 });
  });

  test("counts as its word that it has removed what is deleted", async () => {
    const all = await cluster(3, { commitMarginMs: 0, deleteGraceMs: 0 });
    const handle = await sealedChunk(all);
    all.servers[0]!.leave();
    await all.master.deleteObject({ bucket: "bucket", key: `${handle}/0` });
    await until(() => !all.servers[1]!.replicas.has(handle), "the others removed it");
    expect((await all.master.status(null)).chunks.deleting).toBe(1);
    await all.master.removeChunkserver({ id: "s1", force: true });
    await until(async () => (await all.master.status(null)).chunks.deleting === 0, "it is forgotten");
  });

  test("lets an open chunk be sealed from what the others have", async () => {
    const all = await cluster(3, { goneMs: 3_600_000 });
    const handle = await openChunk(all);
    for (const server of all.servers) server.grow(handle, behind(1));
    await commit(all, handle);
    for (const server of all.servers.slice(0, 2)) server.leave();
    await all.master.closeChunks({ handles: [handle] });
    await until(() => all.servers[2]!.commands.includes(`fence ${handle}`), "it is asked");
    for (const id of ["s1", "s2"]) await all.master.removeChunkserver({ id, force: true });
    await until(() => isWhole(all.servers[2]!, handle, behind(1)), "it is sealed alone");
  });
});

describe("the scrub of a chunkserver", () => {
  test("is begun, paused and told of through the master", async () => {
    const all = await cluster(2);
    const [first] = all.servers;
    for (const action of ["now", "pause", "resume", "status"] as const) {
      const answer = await all.master.scrubChunkserver({ id: "s1", action });
      expect(answer).toEqual({ ...first!.scrub, paused: action === "pause" });
    }
    expect(first!.scrubActions).toEqual(["now", "pause", "resume", "status"]);
    expect(all.servers[1]!.scrubActions).toEqual([]);
  });

  test("is refused for one that is unknown, or does not answer; the chunkserver's own refusal is passed on", async () => {
    const all = await cluster(2);
    const scrubOf = (id: string) => codeOf(all.master.scrubChunkserver({ id, action: "now" }));
    expect(await scrubOf("nobody")).toBe("NO_SUCH_SERVER");
    all.servers[0]!.failures.set("scrub", "BAD_REQUEST");
    expect(await scrubOf("s1")).toBe("BAD_REQUEST");
    all.servers[1]!.leave();
    await until(async () => !(await infoOf(all, "s2")).alive, "it is away");
    expect(await scrubOf("s2")).toBe("SERVER_STATE");
  });
});
