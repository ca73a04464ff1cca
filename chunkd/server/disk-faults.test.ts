import { describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { ChunkOp } from "../protocol/messages.ts";
import { CHUNK_HEADER_SIZE, recordSize } from "../protocol/record.ts";
import { DirectoryError } from "../store/errors.ts";
import { append, grant, Servers } from "../testing/cluster.ts";
import { diskError, FaultyDisk, type FileOperation } from "../testing/faulty-disk.ts";
import { ManualClock } from "../testing/manual-clock.ts";

const PAYLOAD = Buffer.from("a payload");
const SIZE = recordSize(PAYLOAD.length);

async function withFaultyPrimary() {
  const disk = new FaultyDisk();
  const clock = new ManualClock();
  const servers = await Servers.start(3, [{ disk, clock }]);
  const writer = await servers.connect(0, "client");
  const failing = (on: FileOperation, code: string): void => {
    disk.fault = (operation) => {
      if (operation === on) throw diskError(code);
    };
  };
  return { disk, clock, servers, writer, failing };
}

function readFirst(writer: Awaited<ReturnType<Servers["connect"]>>) {
  const request = { handle: 1, offset: CHUNK_HEADER_SIZE, firstBlock: 0, blockCount: 1 };
  return writer.call(ChunkOp.read, request);
}

describe.each(["write", "sync"] as const)("EIO on %s", (operation) => {
  test("quarantines the disk: no more writes even when it works again, reads go on", async () => {
    const { disk, servers, writer, failing } = await withFaultyPrimary();
    await using _ = servers;
    await append(writer, grant(1, servers.replicas), PAYLOAD);
    failing(operation, "EIO");
    const failed = append(writer, grant(1, servers.replicas), PAYLOAD);
    await expect(failed).rejects.toMatchObject({ code: "DISK_FAILED" });
    const written: string[] = [];
    disk.fault = (what, path) => {
      if (what !== "read" && path.includes("/chunks/")) written.push(`${what} ${path}`);
    };
    const other = append(writer, grant(2, servers.replicas), PAYLOAD);
    await expect(other).rejects.toMatchObject({ code: "DISK_FAILED" });
    for (const [opcode, more] of [
      [ChunkOp.seal, { version: 2, length: CHUNK_HEADER_SIZE + SIZE }],
      [ChunkOp.remove, {}],
    ] as const) {
      const command = servers.command(0, opcode, { handle: 1, ...more });
      await expect(command).rejects.toMatchObject({ code: "DISK_FAILED" });
    }
    expect(written).toEqual([]);
    expect((await readFirst(writer)).body.subarray(-PAYLOAD.length).equals(PAYLOAD)).toBe(true);
  });
});

describe("ENOSPC", () => {
  test("refuses the append and cuts off what was written; the disk serves on and takes appends again", async () => {
    const { disk, clock, servers, writer, failing } = await withFaultyPrimary();
    await using _ = servers;
    await append(writer, grant(1, servers.replicas), PAYLOAD);
    failing("sync", "ENOSPC");
    const failed = append(writer, grant(1, servers.replicas), PAYLOAD);
    await expect(failed).rejects.toMatchObject({ code: "NO_SPACE" });
    disk.fault = () => {};
    const fenced = await servers.command(0, ChunkOp.fence, { handle: 1, version: 2 });
    expect(fenced.length).toBe(CHUNK_HEADER_SIZE + SIZE);
    expect((await readFile(servers.chunkFile(0, 1))).length).toBe(fenced.length);
    expect((await readFirst(writer)).body.length).toBe(SIZE);
    // Full until the file system is asked again.
    const soon = append(writer, grant(2, servers.replicas), PAYLOAD);
    await expect(soon).rejects.toMatchObject({ code: "NO_SPACE" });
    clock.advance(1_001);
    const answers = await retryUntilTaken(() => append(writer, grant(2, servers.replicas), PAYLOAD));
    expect(answers.prepared.length).toBeGreaterThanOrEqual(2);
  });

  test("near at hand refuses appends before the disk is full; seals and removals go on", async () => {
    const { disk, clock, servers, writer } = await withFaultyPrimary();
    await using _ = servers;
    await append(writer, grant(1, servers.replicas), PAYLOAD);
    disk.free = 1_000_000;
    clock.advance(1_001);
    const refused = await retryUntilRefused(() => append(writer, grant(1, servers.replicas), PAYLOAD));
    expect(refused).toBe("NO_SPACE");
    const { length } = await servers.command(0, ChunkOp.fence, { handle: 1, version: 2 });
    const stat = await servers.command(0, ChunkOp.seal, { handle: 1, version: 2, length });
    expect(stat).toEqual({ version: 2, length, sealed: true });
    await servers.command(0, ChunkOp.remove, { handle: 1 });
    await expect(readFirst(writer)).rejects.toMatchObject({ code: "NO_SUCH_CHUNK" });
  });

  test("on the first write of a chunk leaves no chunk", async () => {
    const { servers, writer, failing } = await withFaultyPrimary();
    await using _ = servers;
    failing("write", "ENOSPC");
    const failed = append(writer, grant(1, servers.replicas), PAYLOAD);
    await expect(failed).rejects.toMatchObject({ code: "NO_SPACE" });
    const stat = servers.command(0, ChunkOp.stat, { handle: 1 });
    await expect(stat).rejects.toMatchObject({ code: "NO_SUCH_CHUNK" });
  });
});

/** The file system is asked in the background: the answer comes within a few attempts. */
async function retryUntilTaken<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if ((error as { code?: string }).code !== "NO_SPACE") throw error;
    }
  }
}

async function retryUntilRefused(attempt: () => Promise<unknown>): Promise<string> {
  for (;;) {
    try {
      await attempt();
    } catch (error) {
      return (error as { code: string }).code;
    }
  }
}

describe("a directory", () => {
  test("in use by one chunkserver is refused to a second, and free when the first has stopped", async () => {
    await using servers = await Servers.start(1);
    const second = servers.startOne(0);
    await expect(second).rejects.toThrow(DirectoryError);
    await expect(second).rejects.toThrow("in use by another chunkserver");
    await servers.restart(0);
    expect(servers.all[0]!.id).toBe("c0");
  });

  test("refused gives its lock back", async () => {
    await using servers = await Servers.start(1);
    await servers.all[0]!.close();
    const secrets = {
      clusterId: "f".repeat(32),
      clusterSecret: "c1".repeat(16),
      controlSecret: "c2".repeat(16),
    };
    const foreign = servers.startOne(0, {}, { secrets });
    await expect(foreign).rejects.toThrow("belongs to cluster");
    servers.all[0] = await servers.startOne(0);
    expect(servers.all[0].id).toBe("c0");
  });
});

describe("EMFILE at the primary", () => {
  test.each(["first", "second"])(
    "on a chunk's %s append ends the chunk: the writer leaves it and does not come back for ever",
    async (which) => {
      const { disk, servers, writer, failing } = await withFaultyPrimary();
      await using _ = servers;
      if (which === "second") await append(writer, grant(1, servers.replicas), PAYLOAD);
      failing("write", "EMFILE");
      const failed = append(writer, grant(1, servers.replicas), PAYLOAD);
      await expect(failed).rejects.toMatchObject({ code: "NO_QUORUM" });
      disk.fault = () => {};
      const later = append(writer, grant(1, servers.replicas), PAYLOAD);
      await expect(later).rejects.toMatchObject({ code: which === "first" ? "NO_QUORUM" : "NOT_OPEN" });
      const found = writer.call(ChunkOp.stat, { handle: 1 });
      if (which === "first") await expect(found).rejects.toMatchObject({ code: "NO_SUCH_CHUNK" });
      await found.catch(() => {});
      await append(writer, grant(2, servers.replicas), PAYLOAD);
    },
  );
});
