import { afterEach, beforeEach, expect, test } from "bun:test";
import { connect } from "node:net";
import { behindGateways, gatewayToken, isOverTls } from "../../apis/gateway-trust.ts";
import { listenServices, type ServicesListener } from "../../apis/listen-services.ts";
import type { Apis, MountedApis } from "../../apis/serve.ts";
import type { S3Request } from "../../apis/storage/s3/http.ts";
import { listenS3, type S3Listener } from "../../apis/storage/s3/node-http.ts";
import { systemClock } from "../../std/clock.ts";
import { silentLog } from "../../std/log.ts";
import { systemRandom } from "../../std/random.ts";
import { fakeApis } from "../testing/fake-apis.ts";
import { connectPool } from "./pool.ts";

const TOKEN = gatewayToken("00".repeat(32));
const ENVIRONMENT = { clock: systemClock, random: systemRandom, log: silentLog };

let apis: MountedApis;
let services: ServicesListener;
let s3: S3Listener;
let pool: Apis;

beforeEach(async () => {
  apis = {
    ...fakeApis({
      s3: async ({ method, target, headers, body, remoteAddress, overTls }) => ({
        status: 207,
        headers: {
          "content-type": "text/plain",
          "x-amz-meta-a": "1",
          "x-amz-meta-source": remoteAddress,
          "x-amz-meta-tls": String(overTls),
          "x-amz-meta-trust": [...headers.keys()].filter((name) => name.startsWith("x-skerry")).join(),
        },
        body: method === "HEAD" ? null : `${method} ${target} ${headers.get("host")} ${await textOf(body)}`,
      }),
    }),
    admin: () => new Response("for the operator"),
    audit: () => new Response(null),
    events: () => new Response(null),
    describe: () => {},
    chunkservers: () => new Response(null),
    storageStatus: () => Promise.reject(new Error("not asked for here")),
  };
  services = listenServices(apis, { hostname: "127.0.0.1", port: 0, token: TOKEN, log: silentLog });
  s3 = await listenS3(behindGateways(apis.s3, TOKEN), { ...ENVIRONMENT, hostname: "127.0.0.1", port: 0 });
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

function call(path: string, init: RequestInit = {}): Promise<Response> {
  const request = new Request(`https://skerry.localhost${path}`, init);
  return Promise.resolve(pool.mounted(request, "192.0.2.7"));
}

/** What comes back for one request line. */
function rawAnswer(port: number, line: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let answer = "";
  const socket = connect(port, "127.0.0.1", () => {
    socket.write(`${line}\r\nHost: skerry.localhost\r\nConnection: close\r\n\r\n`);
  });
  socket.on("data", (bytes) => {
    answer += bytes;
  });
  socket.on("close", () => resolve(answer));
  socket.on("error", reject);
  return promise;
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
    body: "content",
  });
});

test("an API with a host of its own is at its root", async () => {
  const request = new Request("https://auth.skerry.localhost/session");
  const response = await pool.services.get("auth")!(request, "192.0.2.7");
  expect(await response.json()).toMatchObject({ api: "mounted", path: "/api/auth/session" });
});

test("S16: nobody but a gateway of the cluster may say who the client is", async () => {
  const url = `http://127.0.0.1:${services.port}/api/auth/session`;
  for (const token of ["", "wrong", gatewayToken("11".repeat(32))]) {
    const headers = { "x-skerry-gateway": token, "x-skerry-source": "192.0.2.7" };
    const seen = await (await fetch(url, { headers })).json();
    expect(seen.source).toBe("127.0.0.1");
    expect(Object.keys(seen.headers).filter((name) => name.startsWith("x-skerry"))).toEqual([]);
  }
});

test("an S3 request arrives byte for byte, and its answer comes back", async () => {
  async function* body() {
    yield Buffer.from("con");
    yield Buffer.from("tent");
  }
  const headers = new Map([
    ["host", "b.storage.skerry.localhost"],
    ["content-length", "7"],
  ]);
  const response = await pool.s3(
    s3Request({ method: "PUT", target: "/a/../b//c?x=%20", headers, body: body() }),
  );
  expect(response.status).toBe(207);
  expect(response.headers["x-amz-meta-a"]).toBe("1");
  expect(await textOf(response.body as AsyncIterable<Uint8Array>)).toBe(
    "PUT /a/../b//c?x=%20 b.storage.skerry.localhost content",
  );
});

test("S16: S3 in another process sees the client's address, which nobody but a gateway may name", async () => {
  const through = await pool.s3(s3Request({ remoteAddress: "192.0.2.7" }));
  expect(through.headers).toMatchObject({ "x-amz-meta-source": "192.0.2.7", "x-amz-meta-trust": "" });
  for (const token of ["", "wrong", gatewayToken("11".repeat(32))]) {
    const headers = { "x-skerry-gateway": token, "x-skerry-source": "192.0.2.7" };
    const seen = (await fetch(`http://127.0.0.1:${s3.port}/`, { headers })).headers;
    expect([seen.get("x-amz-meta-source"), seen.get("x-amz-meta-trust")]).toEqual(["127.0.0.1", ""]);
  }
});

test("S16: nobody but a gateway may say that a client came under TLS", async () => {
  const under = async (answer: Promise<Response>) => (await answer).headers.get("x-under-tls");
  const { port, stop } = listenServices(
    {
      ...apis,
      mounted: (request) => new Response(null, { headers: { "x-under-tls": String(isOverTls(request)) } }),
    },
    { hostname: "127.0.0.1", port: 0, token: TOKEN, log: silentLog },
  );
  const urls = [`http://127.0.0.1:${port}`];
  const own = connectPool(ENVIRONMENT, { urls, s3Urls: [`http://127.0.0.1:${s3.port}`], token: TOKEN });
  const through = (url: string) => under(Promise.resolve(own.mounted(new Request(url), "192.0.2.7")));
  expect(await through("https://skerry.localhost/api/auth/session")).toBe("true");
  expect(await through("http://skerry.localhost/api/auth/session")).toBe("false");
  const headers = { "x-skerry-gateway": "wrong", "x-skerry-tls": "1", "x-forwarded-proto": "https" };
  expect(await under(fetch(`${urls[0]}/api/auth/session`, { headers }))).toBe("false");
  expect(await rawAnswer(port, "GET https://skerry.localhost/api/auth/session HTTP/1.1")).toContain("false");
  const ofS3 = async (overTls?: boolean) => (await own.s3(s3Request({ overTls }))).headers["x-amz-meta-tls"];
  expect([await ofS3(true), await ofS3(false), await ofS3()]).toEqual(["true", "false", "false"]);
  expect((await fetch(`http://127.0.0.1:${s3.port}/`, { headers })).headers.get("x-amz-meta-tls")).toBe(
    "false",
  );
  await own.close();
  await stop(0);
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
