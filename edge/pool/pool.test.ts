import { afterEach, beforeEach, expect, test } from "bun:test";
import { gatewayToken, s3ByGateway } from "../../apis/gateway-trust.ts";
import { listenServices, type ServicesListener } from "../../apis/listen-services.ts";
import type { Apis } from "../../apis/serve.ts";
import type { S3Request } from "../../apis/storage/s3/http.ts";
import { listenS3, type S3Listener } from "../../apis/storage/s3/node-http.ts";
import { systemClock } from "../../std/clock.ts";
import { silentLog } from "../../std/log.ts";
import { systemRandom } from "../../std/random.ts";
import { mountedFakeApis } from "../testing/fake-apis.ts";
import { connectPool } from "./pool.ts";

const TOKEN = gatewayToken("00".repeat(32));
const ORIGIN = { source: "192.0.2.7", requestId: "request-1", overTls: true };
const ENVIRONMENT = { clock: systemClock, random: systemRandom, log: silentLog };

let services: ServicesListener;
let s3: S3Listener;
let pool: Apis;

beforeEach(async () => {
  const apis = mountedFakeApis({
    s3: async ({ method, target, headers, body, remoteAddress, requestId, overTls }) => ({
      status: 207,
      headers: {
        "content-type": "text/plain",
        "x-amz-meta-source": remoteAddress,
        "x-amz-meta-id": requestId,
        "x-amz-meta-tls": String(overTls),
      },
      body: method === "HEAD" ? null : `${method} ${target} ${headers.get("host")} ${await seen(body)}`,
    }),
  });
  services = listenServices(apis, { ...ENVIRONMENT, hostname: "127.0.0.1", port: 0, token: TOKEN });
  s3 = await listenS3(s3ByGateway(apis.s3, TOKEN), { ...ENVIRONMENT, hostname: "127.0.0.1", port: 0 });
  pool = connectPool(ENVIRONMENT, {
    urls: [`http://127.0.0.1:${services.port}/`],
    s3Urls: [`http://127.0.0.1:${s3.port}`],
    token: TOKEN,
  });
});
afterEach(async () => {
  await pool.close();
  await services.stop(0);
  await s3.close(0);
});

async function textOf(body: AsyncIterable<Uint8Array> | null): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body ?? []) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

/** What a body said, or what it hashes to where it said much. */
async function seen(body: AsyncIterable<Uint8Array> | null): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body ?? []) pieces.push(Buffer.from(piece));
  const bytes = Buffer.concat(pieces);
  return bytes.length < 100 ? bytes.toString() : Bun.hash(bytes).toString();
}

function call(path: string, init: RequestInit = {}): Promise<Response> {
  const request = new Request(`https://skerry.localhost${path}`, init);
  return Promise.resolve(pool.mounted(request, ORIGIN));
}

function s3Request(request: Partial<S3Request>): S3Request {
  const headers = new Map([["host", "b.storage.skerry.localhost"]]);
  return { method: "GET", target: "/", headers, body: null, remoteAddress: "", requestId: "1", ...request };
}

test("an API in another process sees the request and the client's address", async () => {
  const response = await call("/api/storage/buckets/b/objects/a%2Fb?x=1", { method: "PUT", body: "content" });
  expect(await response.json()).toMatchObject({
    api: "mounted",
    method: "PUT",
    path: "/api/storage/buckets/b/objects/a%2Fb?x=1",
    source: "192.0.2.7",
    requestId: "request-1",
    overTls: true,
    body: "content",
  });
});

test("an API with a host of its own is at its root", async () => {
  const request = new Request("https://auth.skerry.localhost/session");
  const response = await pool.services.get("auth")!(request, ORIGIN);
  expect(await response.json()).toMatchObject({ api: "mounted", path: "/api/auth/session" });
});

test("every API of a process is there", async () => {
  expect([...pool.services.keys()].sort()).toEqual(["audit", "auth", "events", "storage"]);
});

test("S16: nobody but a gateway of the cluster may say who the client is, that it came under TLS, and what its request is called", async () => {
  const url = `http://127.0.0.1:${services.port}/api/auth/session`;
  for (const token of ["", "wrong", gatewayToken("11".repeat(32))]) {
    const headers = {
      "x-skerry-gateway": token,
      "x-skerry-source": "192.0.2.7",
      "x-skerry-request-id": "forged",
      "x-skerry-tls": "1",
      "x-request-id": "forged",
    };
    const seen = await (await fetch(url, { headers })).json();
    expect([seen.source, seen.overTls]).toEqual(["127.0.0.1", false]);
    expect(seen.requestId).toMatch(/^[0-9A-F]{16}$/);
    const s3Url = `http://127.0.0.1:${s3.port}/b/k`;
    const told = (await fetch(s3Url, { headers })).headers;
    expect([told.get("x-amz-meta-source"), told.get("x-amz-meta-tls"), told.get("x-amz-meta-id")]).toEqual([
      "127.0.0.1",
      "false",
      expect.stringMatching(/^[0-9A-F]{16}$/),
    ]);
    expect(Object.keys(seen.headers).filter((name) => name.startsWith("x-skerry"))).toEqual([]);
  }
});

test("S16: an S3 request arrives byte for byte, with its client's address, and its answer comes back", async () => {
  async function* body() {
    yield Buffer.from("con");
    yield Buffer.from("tent");
  }
  const headers = new Map([
    ["host", "b.storage.skerry.localhost"],
    ["content-length", "7"],
  ]);
  const { source: remoteAddress, ...more } = ORIGIN;
  const sent = { method: "PUT", target: "/a/../b//c?x=%20", headers, body: body(), remoteAddress, ...more };
  const response = await pool.s3(s3Request(sent));
  expect(response.status).toBe(207);
  expect(response.headers["x-amz-meta-source"]).toBe("192.0.2.7");
  expect(response.headers["x-amz-meta-id"]).toBe("request-1");
  expect(response.headers["x-amz-meta-tls"]).toBe("true");
  expect(await textOf(response.body as AsyncIterable<Uint8Array>)).toBe(
    "PUT /a/../b//c?x=%20 b.storage.skerry.localhost content",
  );
});

test("S16: who comes to a gateway without TLS has none, also at an API behind it", async () => {
  const plain = { ...ORIGIN, overTls: false };
  const seen = await pool.mounted(new Request("https://skerry.localhost/api/auth/session"), plain);
  expect(await seen.json()).toMatchObject({ overTls: false });
  expect((await pool.s3(s3Request({}))).headers["x-amz-meta-tls"]).toBe("false");
});

test("an upload through the S3 port arrives byte for byte, however many pieces it has", async () => {
  const gateway = await listenS3(pool.s3, { ...ENVIRONMENT, hostname: "127.0.0.1", port: 0 });
  const body = new Uint8Array(systemRandom.bytes(8 << 20));
  const answer = await fetch(`http://127.0.0.1:${gateway.port}/b/k`, { method: "PUT", body });
  const text = await answer.text();
  await gateway.close(0);
  expect(answer.status).toBe(207);
  expect(text).toEndWith(Bun.hash(body).toString());
});

test("an upload that its client breaks off says nothing against the process behind", async () => {
  async function* broken() {
    yield Buffer.from("con");
    throw new Error("the client is gone");
  }
  const headers = new Map([["content-length", "7"]]);
  const request = s3Request({ method: "PUT", target: "/b/k", headers, body: broken() });
  expect((await pool.s3(request)).status).toBe(503);
  expect(await pool.problems()).toEqual([]);
  expect((await pool.s3(s3Request({}))).status).toBe(207);
});

test("while nobody answers, a client is told to come back, and health tells why", async () => {
  await services.stop(0);
  await s3.close(0);
  const answer = await call("/api/storage/buckets");
  expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "2"]);
  const slow = await pool.s3(s3Request({}));
  expect([slow.status, String(slow.body)]).toEqual([503, expect.stringContaining("<Code>SlowDown</Code>")]);
  expect(await pool.problems()).toEqual([
    "no process of the role apis answers",
    "no S3 port of the role apis answers",
  ]);
});
