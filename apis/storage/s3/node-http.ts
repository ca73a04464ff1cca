// The S3 API on a port of its own. node:http and not Bun.serve, because it gives the request target as it was sent
// (`/bucket/a/../b` is a key here, and its signature covers those very bytes), and because it sends a stream with its
// Content-Length, without which some clients (s3cmd) do not take an object.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../../../std/clock.ts";
import type { Log } from "../../../std/log.ts";
import type { Random } from "../../../std/random.ts";
import { requestIds } from "../../request-ids.ts";
import { errorDocument, S3Error } from "./errors.ts";
import type { S3Handler, S3Request, S3Response } from "./http.ts";
import { IncomingBody } from "./incoming-body.ts";
import { sendStream, sendWhole } from "./outgoing-body.ts";
import { ReadingBudget } from "./reading-budget.ts";

export interface S3ListenerOptions {
  clock: Clock;
  random: Random;
  log: Log;
  /** The host under which buckets are subdomains, without a port. */
  virtualHostSuffix?: string;
  /** Requests under way at once; more are answered 503 SlowDown. */
  inFlightMax?: number;
}

export interface S3ListenOptions extends S3ListenerOptions {
  /** Port 0 lets the kernel choose. */
  port: number;
  hostname: string;
}

/** The events of a server of node:http, node:https or node:http2 (with `allowHTTP1` or without). */
export interface S3RequestListener {
  request(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void>;
  checkContinue(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void>;
}

/** `handler` for a server that is the caller's own. What it returns never rejects. */
export function s3RequestListener(handler: S3Handler, options: S3ListenerOptions): S3RequestListener {
  const adapter = new NodeAdapter(handler, options);
  return {
    request: (incoming, outgoing) => adapter.serve(incoming, outgoing, false),
    // The client waits with its body: it is asked for only when the handler reads it, so never after a refusal.
    checkContinue: (incoming, outgoing) => adapter.serve(incoming, outgoing, true),
  };
}

export interface S3Listener {
  readonly port: number;
  /** Stops accepting, lets requests under way finish for `graceMs`, then cuts them. */
  close(graceMs?: number): Promise<void>;
}

/** Each upload under way may hold some MiB on its way to the chunkservers. */
const IN_FLIGHT_MAX = 1024;
const HEADERS_TIMEOUT_MS = 30_000;
/** Longer than the pools of usual clients keep an idle connection, so that it is they who close it. */
const KEEP_ALIVE_MS = 75_000;
/** How much of a refused body is read and dropped, and for how long, before the connection is cut. */
const DISCARD_BYTES_MAX = 16 << 20;
const DISCARD_MS = 5_000;

/** Serves `handler` over plain HTTP/1.1. Rejects with Node's error (`EADDRINUSE`). */
export async function listenS3(handler: S3Handler, options: S3ListenOptions): Promise<S3Listener> {
  const listener = s3RequestListener(handler, options);
  const server = createServer(listener.request);
  server.on("checkContinue", listener.checkContinue);
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  // A large upload may take hours; one that stands still is given up by IncomingBody.
  server.requestTimeout = 0;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.hostname, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: (graceMs = 5_000) => closeServer(server, options.clock, graceMs),
  };
}

function closeServer(server: Server, clock: Clock, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = clock.after(graceMs, () => server.closeAllConnections());
    server.close(() => {
      cut.cancel();
      resolve();
    });
    server.closeIdleConnections();
  });
}

class NodeAdapter {
  private inFlight = 0;
  private readonly reading = new ReadingBudget();
  private readonly nextRequestId: () => string;

  constructor(
    private readonly handler: S3Handler,
    private readonly options: S3ListenerOptions,
  ) {
    this.nextRequestId = requestIds(options.random);
  }

  /** Answers one request; never rejects. */
  async serve(incoming: IncomingMessage, outgoing: ServerResponse, expectsContinue: boolean): Promise<void> {
    const headers = headerMap(incoming.rawHeaders);
    const body = announcesBody(incoming, headers) ? this.bodyOf(incoming, outgoing, expectsContinue) : null;
    const request = this.toRequest(incoming, headers, body);
    this.inFlight++;
    try {
      const overloaded = this.inFlight > (this.options.inFlightMax ?? IN_FLIGHT_MAX);
      const response = overloaded ? slowDown(request) : await this.handler(request);
      const unasked = expectsContinue && !body?.asked;
      // A body that was never asked for may or may not come: behind this answer nothing can be told apart.
      // HTTP/2 has no such header, and its streams do not share their bytes (RFC 9113, 8.2.2).
      if (unasked && incoming.httpVersionMajor === 1) response.headers.connection = "close";
      await this.send(request, response, outgoing);
      body?.release();
      if (!unasked) body?.discard(DISCARD_BYTES_MAX, DISCARD_MS);
    } catch (error) {
      outgoing.destroy();
      this.options.log.error("s3 connection failed", {
        requestId: request.requestId,
        error: error instanceof Error ? error.stack : String(error),
      });
    } finally {
      body?.release();
      this.inFlight--;
    }
  }

  private bodyOf(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    expectsContinue: boolean,
  ): IncomingBody {
    const askForBody = () => {
      if (expectsContinue) outgoing.writeContinue();
    };
    return new IncomingBody(incoming, this.options.clock, askForBody, this.reading);
  }

  private toRequest(
    incoming: IncomingMessage,
    headers: ReadonlyMap<string, string>,
    body: IncomingBody | null,
  ): S3Request {
    return {
      method: incoming.method ?? "GET",
      target: incoming.url ?? "/",
      headers,
      body,
      // Asked for lazily: it costs more than all the rest of this object.
      get remoteAddress() {
        return incoming.socket.remoteAddress ?? "";
      },
      get overTls() {
        return "encrypted" in incoming.socket && incoming.socket.encrypted === true;
      },
      requestId: this.nextRequestId(),
      virtualHostSuffix: this.options.virtualHostSuffix,
    };
  }

  private async send(request: S3Request, response: S3Response, outgoing: ServerResponse): Promise<void> {
    const { status, headers, body } = response;
    if (body === null || typeof body === "string" || body instanceof Uint8Array) {
      if (headers["content-length"] === undefined && status !== 204 && status !== 304) {
        headers["content-length"] = String(body === null ? 0 : Buffer.byteLength(body));
      }
      outgoing.writeHead(status, headers);
      await sendWhole(
        outgoing,
        request.method === "HEAD" ? undefined : (body ?? undefined),
        this.options.clock,
      );
      return;
    }
    outgoing.writeHead(status, headers);
    const { error } = await sendStream(outgoing, body, this.options.clock);
    if (error === undefined) return;
    this.options.log.warn("s3 response broke off", {
      requestId: request.requestId,
      path: request.target.split("?", 1)[0],
      error: error instanceof Error ? error.message : String(error),
    });
  }
}

function announcesBody(incoming: IncomingMessage, headers: ReadonlyMap<string, string>): boolean {
  const length = headers.get("content-length");
  // HTTP/2 frames every body, and says in the headers' frame where there is none.
  if (length === undefined && incoming.httpVersionMajor > 1) return !incoming.complete;
  return headers.has("transfer-encoding") || (length ?? "0") !== "0";
}

/** Lower-case names; values of a repeated name joined, so that a second Authorization is not passed over in silence. */
function headerMap(raw: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (let index = 0; index < raw.length; index += 2) {
    const name = fieldName(raw[index]!);
    if (name === undefined) continue;
    const value = raw[index + 1]!;
    const earlier = headers.get(name);
    const sameHost = name === "host" && earlier === value; // with `:authority`
    headers.set(name, earlier === undefined || sameHost ? value : `${earlier}, ${value}`);
  }
  return headers;
}

/** HTTP/2's pseudo-headers are no headers, but that `:authority` stands for Host (RFC 9113, 8.3.1). */
function fieldName(raw: string): string | undefined {
  if (!raw.startsWith(":")) return raw.toLowerCase();
  return raw === ":authority" ? "host" : undefined;
}

function slowDown(request: S3Request): S3Response {
  const path = request.target.split("?", 1)[0]!;
  return {
    status: 503,
    headers: {
      "content-type": "application/xml",
      "retry-after": "1",
      "x-amz-request-id": request.requestId,
    },
    body:
      request.method === "HEAD"
        ? null
        : errorDocument(new S3Error("SlowDown"), path, request.requestId, "skerry"),
  };
}
