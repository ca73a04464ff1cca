import { describe, expect, test } from "bun:test";
import { type Listener, type Socket, systemNet } from "./net.ts";
import { canSetReceiveMark } from "./receive-mark.ts";

/** Two streams into this process, and a way to know that everything sent before has been delivered or is held back. */
async function streams() {
  const accepted: Socket[] = [];
  let echoed = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const pieces: number[] = [];
  const listener: Listener = await systemNet.listen("127.0.0.1:0", (socket) => {
    accepted.push(socket);
    return { onData: (bytes) => socket.write([bytes]), onDrain() {}, onClose() {} };
  });
  const marked = await systemNet.connect(listener.address, {
    onData: (bytes) => pieces.push(bytes.length),
    onDrain() {},
    onClose: () => closed.resolve(),
  });
  const probe = await systemNet.connect(listener.address, {
    onData: () => echoed.resolve(),
    onDrain() {},
    onClose() {},
  });
  const settled = async (): Promise<void> => {
    for (let rounds = 0; rounds < 3; rounds++) {
      echoed = Promise.withResolvers();
      probe.write([Buffer.of(1)]);
      await echoed.promise;
    }
  };
  await settled();
  return { listener, marked, sender: accepted[0]!, pieces, settled, closed: closed.promise };
}

/** The kernel may wake a receiver early, as when its memory is short: what it never does is gather by itself. */
const MAY_WAKE_EARLY = { retry: 3 };

describe.skipIf(!canSetReceiveMark())("a stream whose receiver gathers", () => {
  const title = "delivers once so much is there, and little again when that will do";
  test(title, MAY_WAKE_EARLY, async () => {
    const { listener, marked, sender, pieces, settled } = await streams();
    marked.gather!(100_000);
    sender.write([Buffer.alloc(60_000)]);
    await settled();
    expect(pieces).toEqual([]);
    sender.write([Buffer.alloc(40_000)]);
    await settled();
    expect(pieces).toEqual([100_000]);
    sender.write([Buffer.alloc(10)]);
    await settled();
    expect(pieces).toEqual([100_000]);
    marked.gather!(1);
    await settled();
    expect(pieces).toEqual([100_000, 10]);
    await listener.close();
  });

  test("is told of its end at once, with what had come", async () => {
    const { listener, marked, sender, pieces, closed } = await streams();
    marked.gather!(100_000);
    sender.write([Buffer.alloc(5)]);
    sender.end();
    await closed;
    expect(pieces).toEqual([5]);
    await listener.close();
  });

  test("gets all of a stream that is longer than its receive buffer may be", async () => {
    const { listener, marked, sender, pieces, closed } = await streams();
    marked.gather!(1 << 30);
    sender.write([Buffer.alloc(64 << 20)]);
    sender.end();
    await closed;
    expect(pieces.reduce((sum, size) => sum + size, 0)).toBe(64 << 20);
    await listener.close();
  });
});
