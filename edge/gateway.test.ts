import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../std/clock.ts";
import { silentLog } from "../std/log.ts";
import { systemRandom } from "../std/random.ts";
import { type Gateway, startGateway } from "./gateway.ts";
import { AccessLog } from "./http/access-log.ts";
import { StaticSite } from "./http/static-site.ts";
import { type FakeApis, fakeApis } from "./testing/fake-apis.ts";
import { loadCertificate } from "./tls/certificate-store.ts";
import { certificateNames } from "./tls/names.ts";

const DOMAIN = "skerry.localhost";

let directory: string;
let gateway: Gateway;
let apis: FakeApis;
let lines: Record<string, unknown>[];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "skerry-edge-"));
  apis = fakeApis();
  await start();
});
afterEach(async () => {
  await gateway.stop(0);
  rmSync(directory, { recursive: true, force: true });
});

async function start(): Promise<void> {
  writeFileSync(join(directory, "index.html"), "the dashboard");
  const names = certificateNames(DOMAIN, "127.0.0.1");
  const { certificate, key } = await loadCertificate(join(directory, "tls"), names, Date.now());
  lines = [];
  gateway = await startGateway(apis, {
    host: "127.0.0.1",
    httpsPort: 0,
    httpPort: 0,
    s3Port: 0,
    domain: DOMAIN,
    tls: { cert: certificate, key },
    site: await StaticSite.load(directory),
    accessLog: new AccessLog("all", systemClock, (text) => {
      for (const line of text.trim().split("\n")) lines.push(JSON.parse(line));
    }),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
}

/** To the HTTPS port, whatever the host of `url` would resolve to. */
function https(
  url: string,
  init: RequestInit & { headers?: Record<string, string> } = {},
): Promise<Response> {
  const { host, pathname, search } = new URL(url);
  return fetch(`https://127.0.0.1:${gateway.ports.httpsPort}${pathname}${search}`, {
    ...init,
    headers: { host, ...init.headers },
    tls: { rejectUnauthorized: false },
    redirect: "manual",
  });
}

/** Sends `text` and returns all that comes back. */
function raw(port: number, text: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let answer = "";
  const socket = connect(port, "127.0.0.1", () => socket.write(text));
  socket.on("data", (bytes) => {
    answer += bytes;
  });
  socket.on("close", () => resolve(answer));
  socket.on("error", reject);
  return promise;
}

describe("the HTTPS port", () => {
  test("serves the dashboard on any host", async () => {
    for (const host of [DOMAIN, "example.com", "10.1.2.3"]) {
      expect(await (await https(`https://${host}/`)).text()).toBe("the dashboard");
    }
  });

  test("hands the APIs their requests, byte for byte", async () => {
    const response = await https(`https://${DOMAIN}/api/storage/buckets/b/objects/a%2Fb?x=%20`, {
      method: "PUT",
      body: "content",
    });
    expect(await response.json()).toMatchObject({
      api: "mounted",
      method: "PUT",
      path: "/api/storage/buckets/b/objects/a%2Fb?x=%20",
      source: "127.0.0.1",
      body: "content",
    });
  });

  test("serves an API at the root of its own host", async () => {
    const seen = await (await https(`https://auth.${DOMAIN}/session`)).json();
    expect(seen).toMatchObject({ api: "auth", path: "/session" });
  });

  test("answers an unknown API with JSON, not with a page", async () => {
    const response = await https(`https://${DOMAIN}/api/nothing`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ error: { code: "not_found" } });
  });

  test("serves S3 at storage.<domain>, path style and virtual-host style", async () => {
    for (const host of [`storage.${DOMAIN}`, `bucket.storage.${DOMAIN}`]) {
      const seen = await (await https(`https://${host}/key?list-type=2`)).json();
      expect(seen).toEqual({
        s3: {
          method: "GET",
          target: "/key?list-type=2",
          host,
          virtualHostSuffix: `storage.${DOMAIN}`,
          requestId: expect.any(String),
          overTls: true,
        },
      });
    }
  });

  test("says that a service is not built yet", async () => {
    const response = await https(`https://compute.${DOMAIN}/`);
    expect([response.status, await response.text()]).toEqual([
      404,
      "compute is not a part of this version of skerry\n",
    ]);
  });

  test("S16, E14: lets no client say who it is", async () => {
    const forged = {
      "x-forwarded-for": "6.6.6.6",
      X_Forwarded_Proto: "https",
      forwarded: "for=6.6.6.6",
      "x-real-ip": "6.6.6.6",
      "x-request-id": "mine",
      "x-skerry-gateway": "me",
      "x-skerry-source": "6.6.6.6",
      X_Skerry_Request_Id: "mine",
      "x-skerry-tls": "0",
      "x-skerry-csrf": "1",
    };
    const response = await https(`https://${DOMAIN}/api/auth/session`, { headers: forged });
    const { headers, source } = await response.json();
    const arrived = Object.keys(headers).filter((name) => /forward|real|request-id|skerry/.test(name));
    expect(arrived).toEqual(["x-skerry-csrf"]);
    expect(source).toBe("127.0.0.1");
  });

  test("gives each request an id of its own, whatever the client says, and tells it to all: client, API and access log", async () => {
    const headers = { "x-request-id": "forged", "x-skerry-request-id": "forged", x_request_id: "forged" };
    const json = [`https://${DOMAIN}/api/auth/session`, `https://auth.${DOMAIN}/session`];
    const s3 = [`https://storage.${DOMAIN}/b/k`, `http://127.0.0.1:${gateway.ports.s3Port}/b/k`];
    const ids = new Set<string>();
    for (const url of [...json, ...s3, ...json, ...s3]) {
      const response = await (url.startsWith("https:") ? https : fetch)(url, { headers });
      const id = response.headers.get("x-request-id") ?? "";
      expect(id).toMatch(/^[0-9A-F]{16}$/);
      const seen = await response.json();
      expect((seen.s3 ?? seen).requestId).toBe(id);
      ids.add(id);
    }
    expect(ids.size).toBe(8);
    await gateway.stop(0);
    const logged = lines.filter(({ requestId }) => ids.has(String(requestId)));
    expect(logged).toHaveLength(8);
  });

  test("writes a line for each request, without its secrets", async () => {
    const response = await https(`https://${DOMAIN}/api/auth/session?token=hunter2`);
    await https(`https://storage.${DOMAIN}/b/k?X-Amz-Signature=abc`);
    await gateway.stop(0);
    expect(lines).toMatchObject([
      {
        listener: "https",
        method: "GET",
        host: DOMAIN,
        target: "/api/auth/session?token=REDACTED",
        status: 200,
        requestId: response.headers.get("x-request-id"),
        remote: "127.0.0.1",
      },
      { listener: "https", host: `storage.${DOMAIN}`, target: "/b/k?X-Amz-Signature=REDACTED", status: 200 },
    ]);
  });
});

describe("health", () => {
  test("is 200 on all three ports while the APIs can serve", async () => {
    const { httpPort, s3Port } = gateway.ports;
    const answers = [
      await https(`https://${DOMAIN}/healthz`),
      await fetch(`http://127.0.0.1:${httpPort}/healthz`),
      await fetch(`http://127.0.0.1:${s3Port}/healthz`),
    ];
    for (const answer of answers)
      expect([answer.status, await answer.json()]).toEqual([200, { status: "ok" }]);
  });

  test("is 503 with the reason when they cannot", async () => {
    apis.trouble = ["the database does not answer"];
    const answer = await https(`https://${DOMAIN}/healthz`);
    expect([answer.status, await answer.json()]).toEqual([
      503,
      { status: "unavailable", problems: ["the database does not answer"] },
    ]);
  });
});

describe("the HTTP port", () => {
  test("sends everything to the same place under HTTPS", async () => {
    const { httpPort, httpsPort } = gateway.ports;
    const answer = await raw(
      httpPort,
      `GET /a%2Fb?c=d HTTP/1.1\r\nHost: Foo.Example:80\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toContain("HTTP/1.1 308");
    expect(answer).toMatch(new RegExp(`^location: https://foo\\.example:${httpsPort}/a%2Fb\\?c=d\r$`, "im"));
  });

  test("refuses a host that is none", async () => {
    const answer = await raw(
      gateway.ports.httpPort,
      "GET / HTTP/1.1\r\nHost: a@b/c\r\nConnection: close\r\n\r\n",
    );
    expect(answer).toContain("HTTP/1.1 400");
  });
});

describe("the S3 port", () => {
  test("passes the target on as it came, on any host", async () => {
    const answer = await raw(
      gateway.ports.s3Port,
      "GET /b/a/../c//d?x HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n",
    );
    expect(answer).toContain('"target":"/b/a/../c//d?x"');
    expect(answer).toContain('"overTls":false');
  });

  test("takes a signed look at a bucket named healthz for what it is", async () => {
    const url = `http://127.0.0.1:${gateway.ports.s3Port}/healthz`;
    const answer = await fetch(url, { headers: { authorization: "AWS4-HMAC-SHA256 ..." } });
    expect(await answer.json()).toMatchObject({ s3: { target: "/healthz" } });
  });
});

describe("stopping", () => {
  test("lets a request under way end", async () => {
    const started = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    await gateway.stop(0);
    apis = fakeApis({
      mounted: async () => {
        started.resolve();
        await release.promise;
        return new Response("in time");
      },
    });
    await start();
    const answer = https(`https://${DOMAIN}/api/storage/slow`);
    await started.promise;
    const stopped = gateway.stop(20_000);
    release.resolve();
    expect(await (await answer).text()).toBe("in time");
    await stopped;
  });

  test("drops a request that does not end in time", async () => {
    const started = Promise.withResolvers<void>();
    await gateway.stop(0);
    apis = fakeApis({
      mounted: () => {
        started.resolve();
        return new Promise<Response>(() => {});
      },
    });
    await start();
    const answer = https(`https://${DOMAIN}/api/storage/stuck`);
    await started.promise;
    const outcome = answer.then(
      () => "answered",
      () => "dropped",
    );
    await gateway.stop(50);
    expect(await outcome).toBe("dropped");
  });

  test("a port in use is an error, and nothing is left listening", async () => {
    const { httpsPort, s3Port } = gateway.ports;
    using blocker = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
    await gateway.stop(0);
    const names = certificateNames(DOMAIN, "127.0.0.1");
    const { certificate, key } = await loadCertificate(join(directory, "tls"), names, Date.now());
    const options = { host: "127.0.0.1", httpsPort, httpPort: blocker.port!, s3Port, domain: DOMAIN };
    const starting = startGateway(apis, {
      ...options,
      tls: { cert: certificate, key },
      site: undefined,
      accessLog: new AccessLog("none", systemClock, () => {}),
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
    });
    await expect(starting).rejects.toThrow(/in use/);
    await expect(https(`https://${DOMAIN}/`)).rejects.toThrow();
  });
});
