// Writing with three copies, done as plainly as it can be: the first process gets the bytes over one socket, writes them to a
// file and sends them on to two others, which write them too. Each syncs once a round and says so. No checksums, no
// places, no quorum: all three must answer.
import { join } from "node:path";
import type { Disk, DiskFile } from "../../std/disk.ts";
import { type Socket, systemNet } from "../../std/net.ts";

/** Bytes in the receiver's hands, not written yet or not sent on, beyond which it stops reading. */
const BACKLOG_MAX = 8 << 20;
const PIECE_SIZE = 1 << 20;

/** Serves copies of rounds of `size` bytes (announced as 4 bytes at the start of a connection); resolves with the address. */
export async function serveCopies(directory: string, downstream: string[], disk: Disk): Promise<string> {
  let count = 0;
  const { address } = await systemNet.listen("127.0.0.1:0", (socket) => {
    const path = join(directory, `plain-${count++}`);
    const copy = new Copy(socket, path, disk, downstream);
    return {
      onData: (bytes) => copy.take(bytes),
      onDrain() {},
      onClose: () => void copy.end(),
    };
  });
  return address;
}

class Copy {
  private next: Promise<Socket[]>;
  private readonly file: Promise<DiskFile>;
  private size = 0;
  private taken = 0;
  private written = 0;
  private backlog: Uint8Array[] = [];
  private backlogBytes = 0;
  private writing = false;
  private answers = 0;

  constructor(
    private readonly from: Socket,
    private readonly path: string,
    private readonly disk: Disk,
    private readonly downstream: string[],
  ) {
    this.file = disk.open(path, "create");
    this.next = Promise.all(downstream.map((address) => this.connect(address)));
    from.pause();
    void Promise.all([this.file, this.next]).then(() => from.resume());
  }

  private connect(address: string): Promise<Socket> {
    return systemNet.connect(address, {
      onData: (bytes) => this.answered(bytes.length),
      onDrain() {},
      onClose() {},
    });
  }

  take(bytes: Uint8Array): void {
    void this.next.then((sockets) => {
      for (const socket of sockets) socket.write([bytes]);
    });
    let payload = bytes;
    if (this.size === 0) {
      this.size = Buffer.from(bytes).readUInt32LE();
      payload = bytes.subarray(4);
    }
    this.taken += payload.length;
    this.backlog.push(payload);
    this.backlogBytes += payload.length;
    if (this.backlogBytes > BACKLOG_MAX) this.from.pause();
    if (!this.writing) void this.write();
  }

  private async write(): Promise<void> {
    this.writing = true;
    const file = await this.file;
    while (this.backlogBytes > 0) {
      const parts = this.backlog;
      const bytes = this.backlogBytes;
      this.backlog = [];
      this.backlogBytes = 0;
      await file.write(parts, this.written % this.size);
      this.written += bytes;
      const sockets = await this.next;
      if (sockets.every(({ queuedBytes }) => queuedBytes < BACKLOG_MAX)) this.from.resume();
      if (this.written % this.size === 0) {
        await file.sync();
        // A chunk is a new file, and so is a round: writing over the same blocks would be cheaper.
        await file.truncate(0);
        this.answered(1);
      }
    }
    this.writing = false;
    this.from.resume();
  }

  /** The round is done when this and everybody downstream has it on disk. */
  private answered(count: number): void {
    this.answers += count;
    if (this.answers < this.downstream.length + 1) return;
    this.answers = 0;
    this.from.write([Buffer.of(1)]);
  }

  async end(): Promise<void> {
    for (const socket of await this.next) socket.destroy();
    await (await this.file).close();
    await this.disk.remove(this.path);
  }
}

/** Bytes a second that three copies take, in whole rounds of `size` bytes, for `seconds`. */
export async function writeCopies(address: string, size: number, seconds: number): Promise<number> {
  let answered = Promise.withResolvers<void>();
  let drained = Promise.withResolvers<void>();
  const socket = await systemNet.connect(address, {
    onData: () => answered.resolve(),
    onDrain: () => drained.resolve(),
    onClose: () => answered.reject(new Error("the plain copy ended early")),
  });
  const piece = Buffer.alloc(PIECE_SIZE, 1);
  const announced = Buffer.alloc(4);
  announced.writeUInt32LE(size);
  socket.write([announced]);
  const startedAt = performance.now();
  let bytes = 0;
  while (performance.now() - startedAt < seconds * 1000) {
    answered = Promise.withResolvers();
    for (let sent = 0; sent < size; sent += PIECE_SIZE) {
      drained = Promise.withResolvers();
      socket.write([piece.subarray(0, Math.min(PIECE_SIZE, size - sent))]);
      if (socket.queuedBytes > 0) await drained.promise;
    }
    await answered.promise;
    bytes += size;
  }
  const rate = (bytes / (performance.now() - startedAt)) * 1000;
  answered.promise.catch(() => {});
  socket.destroy();
  return rate;
}
