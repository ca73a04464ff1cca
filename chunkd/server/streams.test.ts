import { describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import type { Disk } from "../../std/disk.ts";
import { dialNear } from "../protocol/dial-near.ts";
import { ChunkOp } from "../protocol/messages.ts";
import { CHUNK_HEADER_SIZE, RECORD_PAYLOAD_MAX, recordSize } from "../protocol/record.ts";
import { append, connectAs, ENVIRONMENT, grant, SECRETS, Servers } from "../testing/cluster.ts";
import { diskError, FaultyDisk } from "../testing/faulty-disk.ts";

const FULL = recordSize(RECORD_PAYLOAD_MAX);

describe("a stream", () => {
  // A disk without descriptors reads and writes; the real one lets the kernel send.
  test.each([
    ["the system's disk", {}],
    ["a disk that only reads", { disk: new FaultyDisk() }],
  ])("gives the bytes of the file as they lie, on %s", async (_, parts) => {
    await using servers = await Servers.start(2, [parts, parts]);
    const writer = await servers.connect(0, "client");
    const lease = grant(1, servers.replicas);
    for (let i = 0; i < 4; i++) await append(writer, lease, Buffer.alloc(RECORD_PAYLOAD_MAX, i + 1));
    const file = await readFile(servers.chunkFile(0, 1));
    const offsets = [0, 1, 2, 3].map((i) => CHUNK_HEADER_SIZE + i * FULL);
    const answers = await Promise.all(
      offsets.map((offset) => writer.callForPieces(ChunkOp.stream, { handle: 1, offset, size: FULL })),
    );
    for (const [i, pieces] of answers.entries()) {
      expect(Buffer.concat(pieces).equals(file.subarray(offsets[i], offsets[i]! + FULL))).toBe(true);
    }
    const { body } = await writer.call(ChunkOp.stream, { handle: 1, offset: 70, size: 5 });
    expect(body.equals(file.subarray(70, 75))).toBe(true);
  });

  test("reaches no byte that is not durable, and no other file's", async () => {
    await using servers = await Servers.start(2);
    const writer = await servers.connect(0, "client");
    await append(writer, grant(1, servers.replicas), Buffer.alloc(100, 1));
    const end = CHUNK_HEADER_SIZE + recordSize(100);
    for (const [request, code] of [
      [{ handle: 1, offset: 64, size: end - 63 }, "OUT_OF_RANGE"],
      [{ handle: 1, offset: end, size: 1 }, "OUT_OF_RANGE"],
      [{ handle: 2, offset: 64, size: 1 }, "NO_SUCH_CHUNK"],
      [{ handle: 1, offset: 63, size: 1 }, "BAD_REQUEST"],
      [{ handle: 1, offset: 64, size: 0 }, "BAD_REQUEST"],
      [{ handle: 1, offset: 64, size: FULL + 1 }, "BAD_REQUEST"],
    ] as const) {
      await expect(writer.call(ChunkOp.stream, request)).rejects.toMatchObject({ code });
    }
  });

  test("that is only notified holds no file open", async () => {
    let open = 0;
    const disk: Disk = {
      ...ENVIRONMENT.disk,
      async open(path, mode) {
        const file = await ENVIRONMENT.disk.open(path, mode);
        if (mode !== "read") return file;
        open++;
        const close = file.close.bind(file);
        file.close = () => {
          open--;
          return close();
        };
        return file;
      },
    };
    await using servers = await Servers.start(2, [{ disk }]);
    const writer = await servers.connect(0, "client");
    await append(writer, grant(1, servers.replicas), Buffer.alloc(100, 1));
    writer.notify(ChunkOp.stream, { handle: 1, offset: 64, size: 10 });
    await writer.call(ChunkOp.stream, { handle: 1, offset: 64, size: 10 });
    expect(open).toBe(1);
    await servers.command(0, ChunkOp.remove, { handle: 1 });
    await writer.call(ChunkOp.stat, { handle: 1 }).catch(() => {});
    expect(open).toBe(0);
  });

  test("of a file that cannot be read is CHECKSUM, as a read is", async () => {
    const disk = new FaultyDisk();
    await using servers = await Servers.start(2, [{ disk }]);
    const writer = await servers.connect(0, "client");
    await append(writer, grant(1, servers.replicas), Buffer.alloc(100, 1));
    disk.fault = (operation) => {
      if (operation === "read") throw diskError("EIO");
    };
    const request = { handle: 1, offset: 64, size: 10 };
    await expect(writer.call(ChunkOp.stream, request)).rejects.toMatchObject({ code: "CHECKSUM" });
  });
});

describe("a chunkserver on the peer's machine", () => {
  const near = (address: string, host: string | undefined) => {
    const self = { role: "client", id: "near" } as const;
    const limits = { metaSizeMax: 1 << 16, bodySizeMax: 1 << 20 };
    return dialNear(ENVIRONMENT, address, SECRETS, self, { limits }, host);
  };

  test("is reached by its unix socket, and over TCP from any other machine or when the socket is gone", async () => {
    await using servers = await Servers.start(0);
    const directory = servers.directoryOf(0);
    const server = await servers.startOne(0, {}, { local: { host: "here", directory } });
    servers.all.push(server);
    const over = async (host: string | undefined) => {
      const connection = await near(server.address, host);
      await connection
        .call(ChunkOp.stat, { handle: 1 })
        .catch(({ code }) => expect(code).toBe("NO_SUCH_CHUNK"));
      connection.close();
      return connection.peer!.id.startsWith("unix:") ? "unix" : "tcp";
    };
    expect([await over("here"), await over("there"), await over(undefined)]).toEqual(["unix", "tcp", "tcp"]);
    await ENVIRONMENT.disk.remove(`${directory}/data.sock`);
    expect(await over("here")).toBe("tcp");
  });

  test("starts over a socket that a killed one left, and does without where its path is too long", async () => {
    await using servers = await Servers.start(0);
    const directory = servers.directoryOf(0);
    await ENVIRONMENT.disk.mkdir(directory);
    await Bun.write(`${directory}/data.sock`, "");
    const place = { host: "here", directory };
    servers.all.push(await servers.startOne(0, {}, { local: place }));
    const long = `${servers.directory.path}/${"x".repeat(100)}`;
    servers.all.push(
      await servers.startOne(1, {}, { directory: long, local: { host: "here", directory: long } }),
    );
    const [first, second] = await Promise.all(servers.all.map(({ address }) => near(address, "here")));
    expect([first!.peer!.id, second!.peer!.id]).toEqual([
      `unix:${directory}/data.sock`,
      servers.all[1]!.address,
    ]);
    expect(second!.local).toEqual({ host: "here", chunks: `${long}/chunks`, socket: undefined });
    for (const connection of [first!, second!]) connection.close();
    const plain = await connectAs(servers.all[1]!.address, "client");
    expect(plain.local?.host).toBe("here");
    plain.close();
  });
});
