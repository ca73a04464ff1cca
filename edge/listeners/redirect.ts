// The plain HTTP port: it says where the gateway is, and how it is, and nothing else.
import type { Health } from "../health.ts";
import { normaliseHost } from "../routing/host.ts";
import type { Listener } from "./listener.ts";

export interface RedirectOptions {
  host: string;
  port: number;
  /** The HTTPS port, once that is known. */
  httpsPort: number;
  health: Health;
}

const IDLE_SECONDS_MAX = 10;

/** Starts the listener: `/healthz`, and 308 to the same place under HTTPS. Throws Node's errors (EADDRINUSE). */
export function listenRedirect(options: RedirectOptions): Listener {
  const server = Bun.serve({
    hostname: options.host,
    port: options.port,
    idleTimeout: IDLE_SECONDS_MAX,
    // Nothing is read here: a body is refused before it arrives.
    maxRequestBodySize: 0,
    fetch: (request) => respond(request, options),
  });
  return {
    port: server.port!,
    async stop() {
      await server.stop(true);
    },
  };
}

/** Permanent, and the method stays what it was (RFC 9110, section 15.4.9). */
function respond(request: Request, { httpsPort, health }: RedirectOptions): Response | Promise<Response> {
  const host = normaliseHost(request.headers.get("host"));
  if (host === undefined) return new Response("the Host header is missing or wrong\n", { status: 400 });
  const { pathname, search } = new URL(request.url);
  if (pathname === "/healthz") return health.respond();
  const authority = httpsPort === 443 ? host : `${host}:${httpsPort}`;
  return new Response(null, {
    status: 308,
    headers: { location: `https://${authority}${pathname}${search}` },
  });
}
