// Where a process tells its metrics: an HTTP listener of its own, apart from the ports that users reach.
import { rmSync } from "node:fs";
import { optionalAddress } from "./config.ts";
import { METRICS_CONTENT_TYPE, type Metrics } from "./metrics.ts";
import { type Address, parseAddress } from "./net.ts";

/** The flag of every role. */
export const METRICS_LISTEN = optionalAddress(
  "address to serve Prometheus metrics on, host:port or unix:/path; without it they are not served",
);

export interface MetricsServer {
  /** The real address, with the port that the kernel chose for port 0. */
  address: Address;
  close(): Promise<void>;
}

export interface MetricsPages {
  metrics: Metrics;
  /** Why this process cannot serve, a sentence each; empty when it can. */
  problems(): readonly string[] | Promise<readonly string[]>;
  /** Other paths; undefined for one that is not there either. */
  other?(path: string): Promise<Response> | undefined;
}

/** A scrape is one short answer a few times a minute. */
const IDLE_SECONDS_MAX = 10;

/**
 * Serves `GET /metrics`; `GET /healthz`: 200 while the process can serve, else 503; and `GET /livez`: 200 as long as it
 * runs at all. A Unix socket is for its owner alone. Throws Node's error (`EADDRINUSE`).
 */
export function serveMetrics(address: Address, pages: MetricsPages): MetricsServer {
  const target = parseAddress(address);
  const fetch = (request: Request): Promise<Response> => answer(request, pages);
  const common = { fetch, maxRequestBodySize: 0, idleTimeout: IDLE_SECONDS_MAX };
  if ("unix" in target) {
    // The socket of a process that was killed.
    rmSync(target.unix, { force: true });
    const server = withClosedUmask(() => Bun.serve({ unix: target.unix, fetch, maxRequestBodySize: 0 }));
    return {
      address,
      async close() {
        await server.stop(true);
        rmSync(target.unix, { force: true });
      },
    };
  }
  const server = Bun.serve({ ...target, ...common });
  return { address: address.replace(/:\d+$/, `:${server.port}`), close: () => server.stop(true) };
}

/** The socket is never there with other rights, not even for a moment. */
function withClosedUmask<T>(run: () => T): T {
  const before = process.umask(0o177);
  try {
    return run();
  } finally {
    process.umask(before);
  }
}

async function answer(request: Request, { metrics, problems, other }: MetricsPages): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") return text(405, "only GET is known here");
  const { pathname } = new URL(request.url);
  if (pathname === "/metrics") return text(200, await metrics.text(), METRICS_CONTENT_TYPE);
  if (pathname === "/livez") return text(200, "ok\n");
  if (pathname === "/healthz") {
    const found = await problems();
    return found.length === 0 ? text(200, "ok\n") : text(503, `${found.join("\n")}\n`);
  }
  return (await other?.(pathname)) ?? text(404, "there is only /metrics, /healthz and /livez\n");
}

function text(status: number, body: string, type = "text/plain; charset=utf-8"): Response {
  return new Response(body, { status, headers: { "content-type": type, "cache-control": "no-store" } });
}
