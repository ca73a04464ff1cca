import { parentPort, Worker, workerData } from "node:worker_threads";
import type { Socket } from "bun";

const WRITE_SIZE = 1 << 20;
/** Given to a thread that runs this file: it is the receiving end, so that each end has a core. */
const SINK = "skerry loopback sink";

type Message = { port: number } | { received: number };

if (workerData === SINK) receive((message) => parentPort?.postMessage(message));

/** Megabytes (10^6) a second through one TCP connection of loopback, from one thread to another. */
export async function measureLoopback(seconds: number): Promise<number> {
  const worker = new Worker(new URL(import.meta.url), { workerData: SINK });
  const next = () =>
    new Promise<Message>((resolve, reject) => {
      worker.once("message", resolve).once("error", reject);
    });
  try {
    const ready = await next();
    if (!("port" in ready)) throw new TypeError("the sink did not tell its port");
    const finished = next();
    const start = performance.now();
    await flood(ready.port, start + seconds * 1000);
    const end = await finished;
    if (!("received" in end)) throw new TypeError("the sink did not tell what it received");
    return end.received / 1e3 / (performance.now() - start);
  } finally {
    await worker.terminate();
  }
}

/** Tells the port that it listens on, then, when the one connection ends, how many bytes came. */
function receive(tell: (message: Message) => void): void {
  let received = 0;
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(_, bytes) {
        received += bytes.length;
      },
      close: () => tell({ received }),
    },
  });
  tell({ port: server.port });
}

/** Writes as fast as the kernel takes it until `deadline`, then closes. */
async function flood(port: number, deadline: number): Promise<void> {
  const block = new Uint8Array(WRITE_SIZE);
  const closed = Promise.withResolvers<void>();
  // After a write that the kernel took whole comes another at once; after one that it did not, the drain event.
  const fill = (socket: Socket) => {
    while (performance.now() < deadline) if (socket.write(block) < block.length) return;
    socket.end();
  };
  await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: { open: fill, drain: fill, data() {}, close: () => closed.resolve() },
  });
  await closed.promise;
}
