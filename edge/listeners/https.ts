// The HTTPS port: HTTP/1.1 and HTTP/2, routed by host, then by path.
import type { Server } from "bun";
import type { Origin } from "../../apis/gateway-trust.ts";
import { dropUnread } from "../../apis/request-body.ts";
import { requestIds } from "../../apis/request-ids.ts";
import { type Apis, noSuchApi } from "../../apis/serve.ts";
import { errorDocument, S3Error } from "../../apis/storage/s3/errors.ts";
import { type S3Fetch, s3Fetch } from "../../apis/storage/s3/fetch.ts";
import type { Clock } from "../../std/clock.ts";
import type { Log } from "../../std/log.ts";
import type { Random } from "../../std/random.ts";
import type { Health } from "../health.ts";
import type { AccessLog } from "../http/access-log.ts";
import { loggedS3 } from "../http/logged-s3.ts";
import type { StaticSite } from "../http/static-site.ts";
import { stripTrustHeaders } from "../http/trust-headers.ts";
import { normaliseHost, targetOfHost } from "../routing/host.ts";
import { targetOfPath } from "../routing/path.ts";
import { BodyBudget } from "./body-budget.ts";
import { type Listener, within } from "./listener.ts";

export interface HttpsOptions {
  host: string;
  port: number;
  domain: string;
  tls: { cert: string; key: string };
  apis: Apis;
  /** Absent where this gateway serves no dashboard. */
  site: StaticSite | undefined;
  health: Health;
  accessLog: AccessLog;
  clock: Clock;
  random: Random;
  log: Log;
}

/** A connection on which nothing moves is closed, also in the middle of a body. Bun counts in steps of 4 s. */
const IDLE_SECONDS_MAX = 120;
/** More are answered 503, and so is a body for which {@link BodyBudget} has no room. */
const IN_FLIGHT_MAX = 2_048;

/** Starts the listener. Throws Node's errors (EADDRINUSE). */
export function listenHttps(options: HttpsOptions): Listener {
  const gateway = new Gateway(options);
  const server = Bun.serve({
    hostname: options.host,
    port: options.port,
    tls: options.tls,
    http2: true,
    idleTimeout: IDLE_SECONDS_MAX,
    // S3 and the APIs have limits of their own, with answers that their clients understand.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    fetch: (request, running) => gateway.answer(request, running),
    error: (error) => gateway.fault(error),
  });
  return {
    port: server.port!,
    async stop(graceMs) {
      if (!(await within(server.stop(), graceMs))) await within(server.stop(true), 1_000);
    },
  };
}

class Gateway {
  private readonly s3: S3Fetch;
  private readonly nextRequestId: () => string;
  private readonly bodies = new BodyBudget();
  private inFlight = 0;

  constructor(private readonly options: HttpsOptions) {
    const { apis, domain, random, accessLog, clock } = options;
    const logged = loggedS3(apis.s3, "https", accessLog, clock);
    this.s3 = s3Fetch(logged, { clock, virtualHostSuffix: `storage.${domain}` });
    this.nextRequestId = requestIds(random);
  }

  async answer(request: Request, server: Server<undefined>): Promise<Response> {
    const host = normaliseHost(request.headers.get("host"));
    if (host === undefined) return text(400, "the Host header is missing or wrong");
    const source = server.requestIP(request)?.address ?? "";
    const origin = { source, requestId: this.nextRequestId(), overTls: true };
    const target = targetOfHost(host, this.options.domain);
    const room = this.inFlight < IN_FLIGHT_MAX ? this.bodies.take(request) : undefined;
    if (room === undefined) return target.kind === "s3" ? slowDown(request, origin.requestId) : overloaded();
    this.inFlight++;
    try {
      // S3 logs for itself; a signed S3 request may name any header, so none is taken away.
      if (target.kind === "s3") return await this.s3(request, origin);
      return await this.logged(request, host, origin, (url) => this.route(target, request, url, origin));
    } finally {
      this.inFlight--;
      this.bodies.give(room);
    }
  }

  fault(error: Error): Response {
    this.options.log.error("a request failed", { error: error.stack ?? error.message });
    return problem(500, "internal", "Something went wrong here; the log tells more");
  }

  private async route(
    target: Exclude<ReturnType<typeof targetOfHost>, { kind: "s3" }>,
    request: Request,
    url: URL,
    origin: Origin,
  ): Promise<Response> {
    const { apis, health, site } = this.options;
    if (url.pathname === "/healthz") return health.respond();
    if (target.kind === "unserved")
      return text(404, `${target.name} is not a part of this version of skerry`);
    stripTrustHeaders(request.headers);
    if (target.kind === "service") return apis.services.get(target.service)?.(request, origin) ?? noSuchApi();
    const path = targetOfPath(url.pathname);
    if (path.kind === "site") {
      return site ? site.respond(url.pathname, request) : text(404, "this gateway serves no dashboard");
    }
    const known = path.kind === "service" && apis.services.has(path.service);
    return known ? apis.mounted(request, origin) : noSuchApi();
  }

  private async logged(
    request: Request,
    host: string,
    origin: Origin,
    answer: (url: URL) => Promise<Response>,
  ): Promise<Response> {
    const { accessLog, clock } = this.options;
    const start = clock.monotonic();
    const url = new URL(request.url);
    const response = await answer(url).catch((error: Error) => this.fault(error));
    response.headers.set("x-request-id", origin.requestId);
    await dropUnread(request, clock);
    const length = response.headers.get("content-length");
    accessLog.add({
      listener: "https",
      method: request.method,
      host,
      target: url.pathname + url.search,
      status: response.status,
      bytes: length === null ? undefined : Number(length),
      ms: clock.monotonic() - start,
      requestId: origin.requestId,
      remote: origin.source,
    });
    return response;
  }
}

function slowDown({ url }: Request, requestId: string): Response {
  const body = errorDocument(new S3Error("SlowDown"), new URL(url).pathname, requestId, "skerry");
  return refusal(
    new Response(body, {
      status: 503,
      headers: {
        "content-type": "application/xml",
        "x-amz-request-id": requestId,
        "x-request-id": requestId,
      },
    }),
  );
}

function overloaded(): Response {
  return refusal(problem(503, "busy", "Too many requests at a time"));
}

/** The connection ends with it: else all of a body that nobody wants would still be taken in. */
function refusal(response: Response): Response {
  response.headers.set("retry-after", "1");
  response.headers.set("connection", "close");
  return response;
}

/** An error in the form of all our JSON APIs. */
function problem(status: number, code: string, message: string): Response {
  return Response.json({ error: { code, message } }, { status, headers: { "cache-control": "no-store" } });
}

function text(status: number, message: string): Response {
  return new Response(`${message}\n`, { status, headers: { "x-content-type-options": "nosniff" } });
}
