// The one door to the metrics of all roles of a machine. It is apart from the public ports, and on loopback unless
// somebody says otherwise: metrics tell names, sizes and addresses to whoever asks.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { METRICS_CONTENT_TYPE } from "../../std/metrics.ts";
import { type MetricsPages, type MetricsServer, serveMetrics } from "../../std/metrics-server.ts";
import type { Address } from "../../std/net.ts";

const SOCKET_SUFFIX = ".prom";
const ROLE_TIMEOUT_MS = 5_000;

/**
 * Serves this process's `/metrics`, that of each other role at `/metrics/<role>`, and a list of them at `/`.
 * `sockets`: the directory in which each role listens at `<role>.prom`. A role that does not answer is a 502, which a
 * scraper takes for down. Throws Node's error (EADDRINUSE).
 */
export function listenMetrics(
  address: Address,
  pages: Omit<MetricsPages, "other">,
  sockets: string | undefined,
): MetricsServer {
  return serveMetrics(address, {
    ...pages,
    other(path) {
      if (path === "/") return index(sockets);
      const role = /^\/metrics\/([a-z0-9-]+)$/.exec(path)?.[1];
      return role !== undefined && sockets !== undefined ? relay(role, sockets) : undefined;
    },
  });
}

async function index(sockets: string | undefined): Promise<Response> {
  const names = sockets === undefined ? [] : await readdir(sockets).catch(() => []);
  const roles = names.filter((name) => name.endsWith(SOCKET_SUFFIX)).sort();
  const paths = roles.map((name) => `/metrics/${name.slice(0, -SOCKET_SUFFIX.length)}`);
  return new Response(`${["/metrics", ...paths].join("\n")}\n`);
}

async function relay(role: string, sockets: string): Promise<Response> {
  const names = await readdir(sockets).catch((): string[] => []);
  if (!names.includes(role + SOCKET_SUFFIX))
    return new Response(`there is no role ${role}\n`, { status: 404 });
  try {
    const answer = await fetch("http://role/metrics", {
      unix: join(sockets, role + SOCKET_SUFFIX),
      signal: AbortSignal.timeout(ROLE_TIMEOUT_MS),
    });
    if (!answer.ok) return away(role, `it answered ${answer.status}`);
    const headers = { "content-type": METRICS_CONTENT_TYPE, "cache-control": "no-store" };
    return new Response(await answer.text(), { headers });
  } catch (error) {
    return away(role, (error as Error).message);
  }
}

function away(role: string, why: string): Response {
  return new Response(`${role} does not tell its metrics: ${why}\n`, { status: 502 });
}
