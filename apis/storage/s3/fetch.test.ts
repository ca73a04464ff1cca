// The S3 API behind Bun.serve, as the edge mounts it.
import { afterEach, beforeEach, expect, test } from "bun:test";
import type { Server } from "bun";
import { systemClock } from "../../../std/clock.ts";
import { systemRandom } from "../../../std/random.ts";
import { S3Double, type Sent, signedHeaders } from "../testing/s3-double.ts";
import { s3Fetch } from "./fetch.ts";

let s3: S3Double;
let server: Server<undefined>;

beforeEach(async () => {
  s3 = await S3Double.withBuckets();
  const fetch = s3Fetch(s3.handler, {
    clock: systemClock,
    virtualHostSuffix: "storage.test",
  });
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => fetch(request, { source: "127.0.0.1", requestId: "1", overTls: false }),
  });
});

afterEach(() => server.stop(true));

function send(method: string, path: string, { body, headers = {}, query }: Sent = {}): Promise<Response> {
  const signed = signedHeaders(method, path, { query }, headers, `127.0.0.1:${server.port}`);
  const target = query === undefined ? path : `${path}?${query}`;
  return fetch(`http://127.0.0.1:${server.port}${target}`, { method, headers: signed, body: body as string });
}

test("objects go in and out, keys percent-encoded any way", async () => {
  for (const path of ["/alices/plain", "/alices/a%2Fb", "/alices/a%20b+c", "/alices/%C3%BC", "/alices//x"]) {
    expect((await send("PUT", path, { body: path })).status).toBe(200);
    expect(await (await send("GET", path)).text()).toBe(path);
  }
});

test("HEAD tells the length of what GET would send", async () => {
  await send("PUT", "/alices/key", { body: "0123456789" });
  const response = await send("HEAD", "/alices/key");
  expect([response.status, response.headers.get("content-length"), await response.text()]).toEqual([
    200,
    "10",
    "",
  ]);
});

test("large bodies pass both ways byte for byte", async () => {
  const body = systemRandom.bytes(5 << 20);
  expect((await send("PUT", "/alices/large", { body })).status).toBe(200);
  const response = await send("GET", "/alices/large");
  expect(body.equals(Buffer.from(await response.arrayBuffer()))).toBe(true);
});

test("a reader that goes away ends the read from storage", async () => {
  await send("PUT", "/alices/large", { body: Buffer.alloc(32 << 20) });
  const response = await send("GET", "/alices/large");
  const reader = response.body!.getReader();
  await reader.read();
  await reader.cancel();
  while (s3.chunks.returned === 0) await new Promise((resolve) => setImmediate(resolve));
  expect(s3.chunks.returned).toBe(1);
});

test("a read that fails on the way is a failed download, not a short object", async () => {
  await send("PUT", "/alices/large", { body: Buffer.alloc(8 << 20) });
  s3.chunks.beforePiece = (at) => {
    if (at === 4 << 20) throw new Error("the chunk is gone");
  };
  const response = await send("GET", "/alices/large");
  expect(response.status).toBe(200);
  await expect(response.arrayBuffer()).rejects.toThrow();
});

test("errors are S3's, with a request id", async () => {
  const response = await send("GET", "/alices/none");
  expect([response.status, response.headers.get("content-type")]).toEqual([404, "application/xml"]);
  expect(await response.text()).toContain(
    `<RequestId>${response.headers.get("x-amz-request-id")}</RequestId>`,
  );
});

test("a bucket may be the host", async () => {
  const host = "alices.storage.test";
  const signed = signedHeaders("PUT", "/key", {}, {}, host);
  const response = await fetch(`http://127.0.0.1:${server.port}/key`, {
    method: "PUT",
    headers: signed,
    body: "v",
  });
  expect(response.status).toBe(200);
  expect(await (await send("GET", "/alices/key")).text()).toBe("v");
});
