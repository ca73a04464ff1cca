// The S3 port: S3 for any Host, and /healthz for whoever balances load in front of it.

import type { S3Handler, S3Request, S3Response } from "../../apis/storage/s3/http.ts";
import { listenS3 } from "../../apis/storage/s3/node-http.ts";
import type { Clock } from "../../std/clock.ts";
import type { Log } from "../../std/log.ts";
import type { Random } from "../../std/random.ts";
import type { Health } from "../health.ts";
import type { Listener } from "./listener.ts";

export interface S3PortOptions {
  host: string;
  port: number;
  /** Buckets are subdomains of it. */
  virtualHostSuffix: string;
  health: Health;
  clock: Clock;
  random: Random;
  log: Log;
}

/** Starts the listener. Rejects with Node's error (EADDRINUSE). */
export async function listenS3Port(handler: S3Handler, options: S3PortOptions): Promise<Listener> {
  const { host, port, virtualHostSuffix, health, clock, random, log } = options;
  const listener = await listenS3(
    (request) => (isHealthCheck(request) ? healthAnswer(health) : handler(request)),
    { hostname: host, port, virtualHostSuffix, clock, random, log },
  );
  return { port: listener.port, stop: (graceMs) => listener.close(graceMs) };
}

/** Nobody may list a bucket without signing, so an unsigned look at the bucket "healthz" is none. */
function isHealthCheck({ method, target, headers }: S3Request): boolean {
  return (method === "GET" || method === "HEAD") && target === "/healthz" && !headers.has("authorization");
}

async function healthAnswer(health: Health): Promise<S3Response> {
  const { status, body } = await health.answer();
  const headers = { "content-type": "application/json", "cache-control": "no-store" };
  return { status, headers, body: JSON.stringify(body) };
}
