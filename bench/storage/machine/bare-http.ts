// What HTTP alone costs here: a server in a process of its own that answers with bytes from memory, loaded by the same
// client with the same requests as the S3 endpoint, so that a GET can be read as a share of it.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parentPort, Worker, workerData } from "node:worker_threads";
import { closedLoop } from "../closed-loop.ts";
import { S3Client } from "../s3-client.ts";

/** `node`: node:http, as the S3 port. `bun`: Bun.serve, the fastest that Bun has. */
export const BARE_SERVERS = ["node", "bun"] as const;
export type BareServer = (typeof BARE_SERVERS)[number];

export interface BareHttpFigure {
  server: BareServer;
  getsPerSecond: number;
}

/** Given to a thread that runs this file: the server, so that it has a core as another process's would. */
const SERVER = "skerry bare HTTP server";

if (workerData?.name === SERVER) {
  const { kind, size } = workerData as { kind: BareServer; size: number };
  void listen(kind, new Uint8Array(size).fill(1)).then((port) => parentPort?.postMessage(port));
}

/** GETs of `size` bytes a second from either kind of server, by `workers` at once for `seconds`. */
export async function measureBareHttp(
  size: number,
  workers: number,
  seconds: number,
  signal: AbortSignal,
): Promise<BareHttpFigure[]> {
  const figures: BareHttpFigure[] = [];
  for (const server of BARE_SERVERS) {
    figures.push({ server, getsPerSecond: await measureOne(server, size, workers, seconds, signal) });
  }
  return figures;
}

async function measureOne(
  kind: BareServer,
  size: number,
  workers: number,
  seconds: number,
  signal: AbortSignal,
): Promise<number> {
  const thread = new Worker(new URL(import.meta.url), { workerData: { name: SERVER, kind, size } });
  try {
    const port = await new Promise<number>((resolve, reject) => {
      thread.once("message", resolve).once("error", reject);
    });
    const target = {
      endpoint: { hostname: "127.0.0.1", port },
      region: "us-east-1",
      credentials: { accessKeyId: "bare", secretAccessKey: "bare" },
      payload: "unsigned" as const,
    };
    const clients = Array.from({ length: workers }, () => new S3Client(target));
    const get = async (worker: number) => {
      const bytes = await clients[worker]!.get("bucket", "key");
      return { kind: "get", bytes };
    };
    await closedLoop(get, workers, seconds / 10, signal);
    const result = await closedLoop(get, workers, seconds, signal);
    for (const client of clients) client.close();
    return (result.kinds[0]?.operations ?? 0) / result.seconds;
  } finally {
    await thread.terminate();
  }
}

async function listen(kind: BareServer, body: Uint8Array<ArrayBuffer>): Promise<number> {
  const headers = { "content-type": "binary/octet-stream", "content-length": String(body.length) };
  if (kind === "bun") {
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response(body, { headers }),
    });
    return server.port!;
  }
  const server = createServer((_, response) => response.writeHead(200, headers).end(body));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}
