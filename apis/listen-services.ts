// The JSON APIs over plain HTTP, for gateways of the same cluster.
import type { Clock } from "../std/clock.ts";
import type { Log } from "../std/log.ts";
import type { Random } from "../std/random.ts";
import { GATEWAY_HEADERS, type Origin, originOf } from "./gateway-trust.ts";
import { dropUnread } from "./request-body.ts";
import { requestIds } from "./request-ids.ts";
import type { MountedApis } from "./serve.ts";

export interface ServicesOptions {
  hostname: string;
  port: number;
  /** What gateways prove themselves with. */
  token: string;
  clock: Clock;
  random: Random;
  log: Log;
}

export interface ServicesListener {
  port: number;
  /** Takes no new request, lets those under way end for `graceMs`, then drops them. */
  stop(graceMs: number): Promise<void>;
}

const IDLE_SECONDS_MAX = 120;

/** Serves `/api/<service>/...` and `/healthz`. Throws Node's errors (EADDRINUSE). */
export function listenServices(apis: MountedApis, options: ServicesOptions): ServicesListener {
  const { hostname, port, token, clock, random, log } = options;
  const nextRequestId = requestIds(random);
  const server = Bun.serve({
    hostname,
    port,
    idleTimeout: IDLE_SECONDS_MAX,
    // The APIs have limits of their own.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    async fetch(request, running) {
      const source = running.requestIP(request)?.address ?? "";
      const own = { source, requestId: nextRequestId(), overTls: false };
      const origin = originOf((name) => request.headers.get(name), own, token);
      for (const name of GATEWAY_HEADERS) request.headers.delete(name);
      const response = await answer(apis, request, origin);
      await dropUnread(request, clock);
      return response;
    },
    error(error) {
      log.error("a request failed", { error: error.stack ?? error.message });
      const body = { error: { code: "internal", message: "Something went wrong here; the log tells more" } };
      return Response.json(body, { status: 500, headers: { "cache-control": "no-store" } });
    },
  });
  return {
    port: server.port!,
    async stop(graceMs) {
      const cut = setTimeout(() => void server.stop(true), graceMs);
      await server.stop();
      clearTimeout(cut);
    },
  };
}

async function answer(apis: MountedApis, request: Request, origin: Origin): Promise<Response> {
  if (new URL(request.url).pathname !== "/healthz") return apis.mounted(request, origin);
  const problems = await apis.problems();
  return Response.json({ problems }, { status: problems.length === 0 ? 200 : 503 });
}
