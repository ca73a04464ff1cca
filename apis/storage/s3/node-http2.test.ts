// The S3 API on a server of node:http2, as one that terminates TLS would mount it.
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  type ClientHttp2Session,
  connect,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { systemClock } from "../../../std/clock.ts";
import { silentLog } from "../../../std/log.ts";
import { systemRandom } from "../../../std/random.ts";
import { S3Double, signedHeaders } from "../testing/s3-double.ts";
import { s3RequestListener } from "./node-http.ts";

type Listener = Parameters<typeof createServer>[1];

let s3: S3Double;
let server: Http2Server;
let session: ClientHttp2Session;
let host: string;

beforeEach(async () => {
  s3 = await S3Double.withBuckets();
  const environment = { clock: systemClock, random: systemRandom, log: silentLog };
  const { request } = s3RequestListener(s3.handler, environment);
  // Node's compatibility API: the same as that of node:http, but not to the type checker.
  server = createServer(request as unknown as Listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  session = connect(`http://${host}`);
});

afterEach(() => {
  session.destroy();
  server.close();
});

/** Signs for `:authority`, as HTTP/2 clients do; `more` is not signed. */
function send(
  method: string,
  path: string,
  body?: Uint8Array,
  more: Record<string, string> = {},
): Promise<{ headers: IncomingHttpHeaders & { ":status"?: number }; bytes: Buffer }> {
  const { host: authority, ...signed } = signedHeaders(method, path, {}, {}, host);
  const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<typeof send>>>();
  const pseudo = { ":method": method, ":path": path, ":authority": authority };
  const stream = session.request({ ...pseudo, ...signed, ...more }, { endStream: body === undefined });
  const pieces: Buffer[] = [];
  let headers: IncomingHttpHeaders = {};
  stream.on("response", (received) => {
    headers = received;
  });
  stream.on("data", (piece: Buffer) => pieces.push(piece));
  stream.on("end", () => resolve({ headers, bytes: Buffer.concat(pieces) }));
  stream.on("error", reject);
  if (body !== undefined) stream.end(body);
  return promise;
}

test("an object goes in and out with its length told, at a key that URL parsers would change", async () => {
  const body = systemRandom.bytes(3 << 20);
  const path = "/alices/a/../b//c";
  const put = await send("PUT", path, body, { "content-length": String(body.length) });
  expect(put.headers[":status"]).toBe(200);
  const { headers, bytes } = await send("GET", path);
  expect(headers["content-length"]).toBe(String(body.length));
  expect(bytes.equals(body)).toBe(true);
});

test("a body without a length is refused, not taken for none", async () => {
  const answer = await send("PUT", "/alices/key", Buffer.from("body"));
  expect(answer.headers[":status"]).toBe(411);
  expect((await send("GET", "/alices/key")).headers[":status"]).toBe(404);
});

test("the host may be named twice", async () => {
  expect((await send("HEAD", "/alices", undefined, { host })).headers[":status"]).toBe(200);
});
