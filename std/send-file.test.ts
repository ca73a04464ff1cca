import { afterAll, describe, expect, test } from "bun:test";
import { mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Socket, systemNet } from "./net.ts";
import { isCached, readCached } from "./page-cache.ts";
import { canSendFile } from "./sendfile.ts";

const MIB = 1 << 20;
const directory = await mkdtemp(join(tmpdir(), "skerry-send-file-"));
afterAll(() => rm(directory, { recursive: true }));

/** A file of `size` bytes that differ everywhere, open. */
async function file(size: number) {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at + 4 <= size; at += 4) bytes.writeUInt32LE((at * 2_654_435_761) >>> 0, at);
  const path = join(directory, `${size}-${performance.now()}`);
  await writeFile(path, bytes);
  return { bytes, path, handle: await open(path) };
}

/** What `send` puts into one end, as it comes out of the other, which reads nothing before `slowed` resolves. */
async function through(
  address: string,
  send: (socket: Socket) => void,
  slowed: Promise<void> = Promise.resolve(),
): Promise<{ received: Buffer; error?: Error }> {
  const listener = await systemNet.listen(address, (socket) => {
    setImmediate(() => send(socket));
    return { onData() {}, onDrain() {}, onClose() {} };
  });
  const pieces: Uint8Array[] = [];
  const ended = Promise.withResolvers<Error | undefined>();
  const socket = await systemNet.connect(listener.address, {
    onData: (bytes) => pieces.push(bytes),
    onDrain() {},
    onClose: ended.resolve,
  });
  socket.pause();
  await slowed;
  socket.resume();
  const error = await ended.promise;
  await listener.close();
  return { received: Buffer.concat(pieces), error };
}

describe.skipIf(!canSendFile())("a file sent into a socket", () => {
  test.each(["127.0.0.1:0", `unix:${join(directory, "s")}`])(
    "over %s comes in order between what is written, also to one that reads late",
    async (address) => {
      const { bytes, handle } = await file(9 * MIB);
      let released = 0;
      const late = Promise.withResolvers<void>();
      const { received } = await through(
        address,
        (socket) => {
          socket.write([Buffer.from("before")]);
          const part = (position: number, size: number) =>
            socket.sendFile!({ descriptor: handle.fd, position, size, release: () => void released++ });
          part(1, 5 * MIB);
          socket.write([Buffer.from("between")]);
          part(7, 100);
          part(0, 9 * MIB);
          socket.write([Buffer.alloc(MIB, 7)]);
          expect(socket.queuedBytes).toBeGreaterThan(MIB);
          expect(released).toBe(0);
          socket.end();
          late.resolve();
        },
        late.promise,
      );
      const wanted = [
        Buffer.from("before"),
        bytes.subarray(1, 1 + 5 * MIB),
        Buffer.from("between"),
        bytes.subarray(7, 107),
        bytes,
        Buffer.alloc(MIB, 7),
      ];
      expect(received.equals(Buffer.concat(wanted))).toBe(true);
      expect(released).toBe(3);
      await handle.close();
    },
  );

  test("that turns out shorter drops the stream: nobody waits for the rest", async () => {
    const { bytes, path, handle } = await file(MIB);
    await truncate(path, 1000);
    let released = 0;
    const { received } = await through("127.0.0.1:0", (socket) => {
      socket.sendFile!({ descriptor: handle.fd, position: 0, size: MIB, release: () => void released++ });
      socket.sendFile!({ descriptor: handle.fd, position: 0, size: 1, release: () => void released++ });
    });
    expect(received.equals(bytes.subarray(0, received.length))).toBe(true);
    expect(received.length).toBeLessThanOrEqual(1000);
    expect(released).toBe(2);
    await handle.close();
  });

  test("is let go when the stream is dropped under it, and when it is closed already", async () => {
    const { handle } = await file(8 * MIB);
    let released = 0;
    const range = () => ({
      descriptor: handle.fd,
      position: 0,
      size: 8 * MIB,
      release: () => void released++,
    });
    const late = Promise.withResolvers<void>();
    await through(
      "127.0.0.1:0",
      (socket) => {
        for (let i = 0; i < 4; i++) socket.sendFile!(range());
        socket.destroy();
        socket.sendFile!(range());
        late.resolve();
      },
      late.promise,
    );
    expect(released).toBe(5);
    await handle.close();
  });
});

describe.skipIf(process.platform !== "linux")("the page cache", () => {
  test("gives what was just written at once, and nothing behind the end", async () => {
    const { bytes, handle } = await file(MIB);
    expect(isCached(handle.fd, 0, MIB)).toBe(true);
    expect(isCached(handle.fd, 1, MIB)).toBe(false);
    const into = Buffer.alloc(5000);
    expect(readCached(handle.fd, into, MIB - 4000)).toBe(4000);
    expect(into.subarray(0, 4000).equals(bytes.subarray(MIB - 4000))).toBe(true);
    expect(readCached(handle.fd, into, MIB)).toBe(0);
    await handle.close();
    expect(readCached(-1, into, 0)).toBe(-1);
  });
});
