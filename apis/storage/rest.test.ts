import { beforeEach, describe, expect, test } from "bun:test";
import { RemoteError } from "../../chunkd/protocol/errors.ts";
import { systemClock } from "../../std/clock.ts";
import { silentLog } from "../../std/log.ts";
import type { Principal, Sessions } from "../auth/identity.ts";
import { createStorageApp, type StorageApp } from "./app.ts";
import { ACCESS, S3Double, USERS, type User } from "./testing/s3-double.ts";

const sessions: Sessions = {
  async verify(token: string): Promise<Principal | undefined> {
    return USERS[token.replace("token-", "") as User]?.principal;
  },
};

let s3: S3Double;
let app: StorageApp;

beforeEach(async () => {
  s3 = await S3Double.withBuckets();
  app = createStorageApp({
    store: s3.store,
    sessions,
    access: ACCESS,
    clock: systemClock,
    log: silentLog,
  });
});

interface Sent {
  as?: User;
  headers?: Record<string, string>;
  body?: string;
}

function send(
  method: string,
  path: string,
  { as = "alice", headers = {}, body }: Sent = {},
): Promise<Response> {
  const all: Record<string, string> = { authorization: `Bearer token-${as}`, ...headers };
  if (body !== undefined) all["content-length"] ??= String(Buffer.byteLength(body));
  return Promise.resolve(app.request(path, { method, headers: all, body }));
}

async function code(response: Response): Promise<[number, string]> {
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  expect(error.message).not.toBe("");
  return [response.status, error.code];
}

describe("who may call", () => {
  test.each([
    ["no token", {}],
    ["a wrong token", { authorization: "Bearer wrong" }],
    ["another scheme", { authorization: "Basic token-alice" }],
    ["a wrong cookie", { cookie: "__Host-skerry_session=wrong", "x-skerry-csrf": "1" }],
  ])("nobody with %s", async (_, headers) => {
    expect(await code(await app.request("/buckets", { headers }))).toEqual([401, "Unauthorized"]);
  });

  test("S22: a cookie changes things only with the header that another site's page cannot set", async () => {
    const cookie = { cookie: "__Host-skerry_session=token-alice" };
    expect((await app.request("/buckets", { headers: cookie })).status).toBe(200);
    const forged = await app.request("/buckets/alices", { method: "DELETE", headers: cookie });
    expect(await code(forged)).toEqual([403, "CsrfHeaderMissing"]);
    const honest = { ...cookie, "x-skerry-csrf": "1" };
    expect((await app.request("/buckets/alices", { method: "DELETE", headers: honest })).status).toBe(204);
  });

  test.each([
    ["DELETE", "/buckets/alices"],
    ["GET", "/buckets/alices/objects"],
    ["PUT", "/buckets/alices/objects/key"],
    ["GET", "/buckets/alices/objects/key"],
    ["DELETE", "/buckets/alices/objects/key"],
    ["GET", "/status"],
  ])("not another user: %s %s", async (method, path) => {
    const body = method === "PUT" ? "x" : undefined;
    expect(await code(await send(method, path, { as: "bob", body }))).toEqual([403, "AccessDenied"]);
  });
});

test("buckets are made, listed for who may see them, and deleted", async () => {
  const headers = { "content-type": "application/json" };
  const made = await send("POST", "/buckets", { headers, body: '{"name":"photos"}' });
  expect([made.status, await made.json()]).toEqual([
    201,
    { name: "photos", owner: "id-alice", createdAt: expect.any(Number) },
  ]);
  const names = async (as: User) =>
    ((await (await send("GET", "/buckets", { as })).json()) as { buckets: { name: string }[] }).buckets.map(
      ({ name }) => name,
    );
  expect(await names("alice")).toEqual(["alices", "photos"]);
  expect(await names("root")).toEqual(["alices", "bobs", "photos"]);
  expect((await send("DELETE", "/buckets/photos")).status).toBe(204);
  expect(await names("alice")).toEqual(["alices"]);
});

test.each([['{"name":7}'], ["{}"], ["[]"], ['{"name":"x"}'], ["not json"]])(
  "a new bucket of %s is refused",
  async (body) => {
    const response = await send("POST", "/buckets", {
      headers: { "content-type": "application/json" },
      body,
    });
    expect(await code(response)).toEqual([400, "InvalidRequest"]);
  },
);

test.each([["max=0"], ["max=1001"], ["max=x"]])("a listing with %s is refused", async (query) => {
  const response = await send("GET", `/buckets/alices/objects?${query}`);
  expect(await code(response)).toEqual([400, "InvalidRequest"]);
});

test.each(["plain", "a/b", "a//b/", "ü 漢字", "100%", "a%2Fb", "a+b&c?d#e", "a/../b", "\n", "%25"])(
  "the key %p is stored, read, listed and deleted",
  async (key) => {
    const path = `/buckets/alices/objects/${encodeURIComponent(key)}`;
    const put = await send("PUT", path, { body: "hello", headers: { "content-type": "text/plain" } });
    expect(await put.json()).toMatchObject({ key, size: 5, etag: "5d41402abc4b2a76b9719d911017c592" });
    expect(await (await send("GET", path)).text()).toBe("hello");
    const listing = (await (await send("GET", "/buckets/alices/objects?max=10")).json()) as {
      objects: object[];
    };
    expect(listing.objects).toMatchObject([{ key, size: 5 }]);
    expect((await send("DELETE", path)).status).toBe(204);
    expect(await code(await send("GET", path))).toEqual([404, "NoSuchKey"]);
  },
);

test("S22, E12: what is stored as a page is a download that cannot run", async () => {
  const path = "/buckets/alices/objects/x.html";
  await send("PUT", path, { body: "<script>alert(1)</script>", headers: { "content-type": "text/html" } });
  const { headers } = await send("GET", path);
  expect(Object.fromEntries(headers)).toMatchObject({
    "content-disposition": "attachment; filename=\"x.html\"; filename*=UTF-8''x.html",
    "content-security-policy": "sandbox; default-src 'none'",
    "x-content-type-options": "nosniff",
  });
});

test("a download's name is the key's last segment, in ASCII and in full", async () => {
  const path = `/buckets/alices/objects/${encodeURIComponent('dir/"ü" (1).txt')}`;
  await send("PUT", path, { body: "x" });
  expect((await send("GET", path)).headers.get("content-disposition")).toBe(
    "attachment; filename=\"___ (1).txt\"; filename*=UTF-8''%22%C3%BC%22%20%281%29.txt",
  );
});

test("a download goes on where it broke off", async () => {
  const path = "/buckets/alices/objects/key";
  await send("PUT", path, { body: "0123456789" });
  const range = await send("GET", path, { headers: { range: "bytes=4-" } });
  expect([range.status, range.headers.get("content-range"), await range.text()]).toEqual([
    206,
    "bytes 4-9/10",
    "456789",
  ]);
  const behind = await send("GET", path, { headers: { range: "bytes=10-" } });
  expect(behind.headers.get("content-range")).toBe("bytes */10");
  expect(await code(behind)).toEqual([416, "InvalidRange"]);
});

test("a body that is shorter than it said stores nothing", async () => {
  const path = "/buckets/alices/objects/key";
  const short = await send("PUT", path, { body: "abc", headers: { "content-length": "10" } });
  expect(await code(short)).toEqual([400, "IncompleteBody"]);
  const endless = await send("PUT", path, { body: "abc", headers: { "content-length": "" } });
  expect(await code(endless)).toEqual([411, "MissingContentLength"]);
  const large = await send("PUT", path, { body: "abc", headers: { "content-length": String(2 ** 40) } });
  expect(await code(large)).toEqual([400, "EntityTooLarge"]);
  expect(await code(await send("GET", path))).toEqual([404, "NoSuchKey"]);
});

test("a master that does not answer is 503 with Retry-After, and /healthz says so", async () => {
  expect((await app.request("/healthz")).status).toBe(200);
  s3.master.errors.set("listBuckets", new RemoteError("NOT_READY", "starting"));
  const response = await send("GET", "/buckets");
  expect(response.headers.get("retry-after")).toBe("1");
  expect(await code(response)).toEqual([503, "ServiceUnavailable"]);
  expect((await app.request("/healthz")).status).toBe(503);
});

test("a bug is 500 and tells nothing", async () => {
  s3.master.errors.set("listObjects", new Error("secret internals"));
  const response = await send("GET", "/buckets/alices/objects");
  expect(await response.clone().text()).not.toContain("secret");
  expect(await code(response)).toEqual([500, "InternalError"]);
});

test("other paths are 404 in JSON", async () => {
  expect(await code(await send("GET", "/nowhere"))).toEqual([404, "NotFound"]);
});
