// Reading, done as plainly as it can be: one process writes the same bytes into a socket, another counts them.
import { type Socket, systemNet } from "../../std/net.ts";

const PIECE_SIZE = 1 << 20;
/** As many as a chunk has: the same few again and again would never leave the processor's cache. */
const PIECES = 64;
/** Bytes handed to the socket before it has taken them. */
const AHEAD_MAX = 4 << 20;
/** Pieces that are handed over in one turn of the event loop where the kernel takes them all. */
const PIECES_A_TURN = 16;

/** Serves an endless stream of bytes to whoever connects; resolves with the address. */
export async function serveStream(): Promise<string> {
  const pieces = Array.from({ length: PIECES }, (_, i) => Buffer.alloc(PIECE_SIZE, i));
  const { address } = await systemNet.listen("127.0.0.1:0", (socket) => {
    let next = 0;
    let ended = false;
    const fill = (): void => {
      for (let i = 0; i < PIECES_A_TURN && !ended; i++) {
        if (socket.queuedBytes > AHEAD_MAX) return;
        socket.write([pieces[next++ % PIECES]!]);
      }
      if (!ended && socket.queuedBytes === 0) setImmediate(fill);
    };
    setImmediate(fill);
    return {
      onData() {},
      onDrain: fill,
      onClose() {
        ended = true;
      },
    };
  });
  return address;
}

/** Bytes a second that arrive here from a stream in `seconds`. */
export async function readStream(address: string, seconds: number): Promise<number> {
  let bytes = 0;
  let startedAt = 0;
  const done = Promise.withResolvers<number>();
  const socket: Socket = await systemNet.connect(address, {
    onData(piece) {
      const now = performance.now();
      startedAt ||= now;
      bytes += piece.length;
      if (now - startedAt >= seconds * 1000) done.resolve((bytes / (now - startedAt)) * 1000);
    },
    onDrain() {},
    onClose: () => done.reject(new Error("the plain stream ended early")),
  });
  const rate = await done.promise;
  socket.destroy();
  return rate;
}
