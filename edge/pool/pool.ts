// The APIs in other processes: the same interface as those in this one.
import { originHeaders } from "../../apis/gateway-trust.ts";
import type { ApiFetch, Apis } from "../../apis/serve.ts";
import { SERVICE_NAMES } from "../../apis/service-names.ts";
import type { Clock } from "../../std/clock.ts";
import type { Log } from "../../std/log.ts";
import { Backends } from "./backends.ts";
import { s3Proxy } from "./s3-proxy.ts";

export interface PoolOptions {
  /** Of processes of the role apis: their JSON APIs. */
  urls: readonly string[];
  /** Of the same processes: their S3 ports. */
  s3Urls: readonly string[];
  /** Proves this gateway to them; see gatewayToken. */
  token: string;
}

/** Meant for one connection alone (RFC 9110, section 7.6.1): they end here. */
const HOP_BY_HOP = [
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

export function connectPool(env: { clock: Clock; log: Log }, options: PoolOptions): Apis {
  const backends = new Backends(options.urls, env.clock, env.log);
  const s3Backends = new Backends(options.s3Urls, env.clock, env.log);
  const proxyBelow = (root: string) => proxy(root, backends, options.token);
  return {
    mounted: proxyBelow(""),
    services: new Map(SERVICE_NAMES.map((name) => [name, proxyBelow(`/api/${name}`)])),
    s3: s3Proxy(s3Backends, options.token),
    problems: async () => [
      ...(backends.pick() === undefined ? ["no process of the role apis answers"] : []),
      ...(s3Backends.pick() === undefined ? ["no S3 port of the role apis answers"] : []),
    ],
    async close() {
      backends.close();
      s3Backends.close();
    },
  };
}

/** Passes requests on, their paths put behind `root`. */
function proxy(root: string, backends: Backends, token: string): ApiFetch {
  return async (request, origin) => {
    const base = backends.pick();
    if (base === undefined) return unavailable();
    const { pathname, search } = new URL(request.url);
    const headers = new Headers(request.headers);
    for (const hop of HOP_BY_HOP) headers.delete(hop);
    for (const [name, value] of Object.entries(originHeaders(origin, token))) headers.set(name, value);
    try {
      const response = await fetch(`${base}${root}${pathname}${search}`, {
        method: request.method,
        headers,
        body: request.body,
        redirect: "manual",
        decompress: false,
        signal: request.signal,
      });
      return new Response(response.body, { status: response.status, headers: response.headers });
    } catch {
      // It may have been done: whether to try again is the client's to say.
      if (!request.signal.aborted) backends.failed(base);
      return unavailable();
    }
  };
}

function unavailable(): Response {
  const error = { code: "unavailable", message: "No API process can be reached: try again shortly" };
  return Response.json(
    { error },
    { status: 503, headers: { "retry-after": "2", "cache-control": "no-store" } },
  );
}
