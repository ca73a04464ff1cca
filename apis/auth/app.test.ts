import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { Hono } from "hono";
import { hc } from "hono/client";
import { type Log, type LogFields, silentLog } from "../../std/log.ts";
import { type AuthApp, createAdminApp, createAuthApp } from "./app.ts";
import type { AuthService } from "./service.ts";
import { AuthBench, PASSWORD, tokenOf } from "./test-auth.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

const ORIGIN = "https://cloud.test";
let bench: AuthBench;
let auth: AuthService;
let app: AuthApp;
let admin: AuthApp;
let tokens: Record<"user" | "admin", string>;

beforeAll(async () => {
  bench = await AuthBench.start();
  ({ auth } = await bench.open());
  app = createAuthApp(auth, silentLog);
  admin = createAdminApp(auth, silentLog);
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
  await auth.createUser({ name: "alice", password: PASSWORD });
  tokens = { admin: await tokenOf(auth, "root"), user: await tokenOf(auth, "alice") };
});

afterAll(() => bench.stop());

interface Call {
  token?: string;
  headers?: Record<string, string>;
  source?: string;
}

async function call(
  to: AuthApp,
  method: string,
  path: string,
  body?: unknown,
  { token, headers, source }: Call = {},
) {
  const request = new Request(`${ORIGIN}${path}`, {
    method,
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const response = await to.fetch(request, { source: source ?? "192.0.2.1" });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === "" ? undefined : JSON.parse(text),
  };
}

let serial = 0;
/** A fresh user with a key and a session, for calls that use one up. */
async function victim() {
  const name = `victim${++serial}`;
  await auth.createUser({ name, password: PASSWORD });
  const session = (await auth.session(await tokenOf(auth, name)))!.id;
  return { name, session, key: (await auth.createKey(name)).accessKeyId };
}
/** What a call of `path` may name: a victim's, and one's own key where it takes one. */
async function targetFor(path: (target: Target) => string): Promise<Target> {
  const own = path(NAMES).includes(NAMES.own) ? (await auth.createKey("alice")).accessKeyId : "";
  return { ...(await victim()), own };
}

type Target = { name: string; key: string; own: string; session: string };
const NAMES: Target = { name: "OTHER", key: "OTHERS-KEY", own: "OWN-KEY", session: "OTHERS" };
type Route = [
  method: string,
  path: (target: Target) => string,
  body: ((target: Target) => unknown) | undefined,
  statuses: { anonymous: number; user: number; admin: number },
];

const ADMIN_ONLY = (status: number) => ({ anonymous: 401, user: 403, admin: status });
const ANYBODY = (status: number) => ({ anonymous: 401, user: status, admin: status });
const HIDDEN = (status: number) => ({ anonymous: 401, user: 404, admin: status });
const EVERYBODY = (status: number) => ({ anonymous: status, user: status, admin: status });
/** About the account of whoever asks: the operator has none. */
const OWN_ACCOUNT = new Set(["GET /sessions", "POST /tickets"]);

const ROUTES: Route[] = [
  ["GET", () => "/session", undefined, ANYBODY(200)],
  ["POST", () => "/session/refresh", () => ({ refreshToken: "skr.x" }), EVERYBODY(401)],
  ["GET", () => "/sessions", undefined, ANYBODY(200)],
  ["GET", () => "/sessions?user=Alice", undefined, ANYBODY(200)],
  ["GET", ({ name }) => `/sessions?user=${name}`, undefined, ADMIN_ONLY(200)],
  ["GET", () => "/sessions?user=nobody", undefined, ADMIN_ONLY(404)],
  ["DELETE", ({ name }) => `/sessions?user=${name}`, undefined, ADMIN_ONLY(200)],
  ["DELETE", ({ session }) => `/sessions/${session}`, undefined, HIDDEN(204)],
  ["DELETE", () => "/sessions/no-such-session", undefined, { anonymous: 401, user: 404, admin: 404 }],
  ["POST", () => "/tickets", () => ({ path: "/api/logs/stream" }), ANYBODY(201)],
  ["GET", () => "/settings", undefined, ADMIN_ONLY(200)],
  ["PUT", () => "/settings", () => ({ signUp: false }), ADMIN_ONLY(200)],
  ["POST", () => "/sign-up", () => ({ name: `up${++serial}`, password: PASSWORD }), EVERYBODY(403)],
  ["POST", ({ name }) => `/users/${name}/password-reset`, undefined, ADMIN_ONLY(201)],
  ["POST", () => "/users/nobody/password-reset", undefined, ADMIN_ONLY(404)],
  ["POST", () => "/password-reset", () => ({ token: "skp.x", password: PASSWORD }), EVERYBODY(400)],
  ["GET", () => "/users", undefined, ADMIN_ONLY(200)],
  ["POST", () => "/users", () => ({ name: `new${++serial}`, password: PASSWORD }), ADMIN_ONLY(201)],
  ["PATCH", ({ name }) => `/users/${name}`, () => ({ disabled: true }), ADMIN_ONLY(200)],
  ["PATCH", () => "/users/alice", () => ({ disabled: false }), ADMIN_ONLY(200)],
  ["DELETE", ({ name }) => `/users/${name}`, undefined, ADMIN_ONLY(204)],
  ["DELETE", () => "/users/nobody", undefined, ADMIN_ONLY(404)],
  ["PUT", ({ name }) => `/users/${name}/password`, () => ({ password: "new password" }), ADMIN_ONLY(204)],
  ["PUT", () => "/users/nobody/password", () => ({ password: "new password" }), ADMIN_ONLY(404)],
  ["GET", () => "/keys", undefined, ANYBODY(200)],
  ["GET", () => "/keys?user=alice", undefined, ANYBODY(200)],
  ["GET", ({ name }) => `/keys?user=${name}`, undefined, ADMIN_ONLY(200)],
  ["POST", () => "/keys", () => ({}), ANYBODY(201)],
  ["POST", () => "/keys", ({ name }) => ({ user: name }), ADMIN_ONLY(201)],
  ["POST", () => "/keys", () => ({ user: "nobody" }), ADMIN_ONLY(404)],
  ["POST", () => "/keys/import", () => imported(), ANYBODY(201)],
  ["POST", () => "/keys/import", ({ name }) => ({ ...imported(), user: name }), ADMIN_ONLY(201)],
  ["PATCH", ({ key }) => `/keys/${key}`, () => ({ disabled: true }), HIDDEN(204)],
  ["PATCH", ({ own }) => `/keys/${own}`, () => ({ disabled: true }), ANYBODY(204)],
  ["DELETE", ({ key }) => `/keys/${key}`, undefined, HIDDEN(204)],
  ["DELETE", ({ own }) => `/keys/${own}`, undefined, ANYBODY(204)],
  ["DELETE", () => "/keys/SKNOSUCHKEY", undefined, { anonymous: 401, user: 404, admin: 404 }],
  ["GET", () => "/.well-known/jwks.json", undefined, { anonymous: 200, user: 200, admin: 200 }],
  ["GET", () => "/elsewhere", undefined, { anonymous: 404, user: 404, admin: 404 }],
];

function imported() {
  return { accessKeyId: `imported-${++serial}`, secretAccessKey: "imported-secret" };
}

for (const [method, path, body, statuses] of ROUTES) {
  const name = `${method} ${path(NAMES)}`;
  test(`${name}: anonymous ${statuses.anonymous}, user ${statuses.user}, admin ${statuses.admin}`, async () => {
    for (const who of ["anonymous", "user", "admin"] as const) {
      const target: Target = await targetFor(path);
      const token = who === "anonymous" ? undefined : tokens[who];
      const answer = await call(app, method, path(target), body?.(target), { token });
      expect([who, answer.status]).toEqual([who, statuses[who]]);
      if (answer.status >= 400) expect(Object.keys(answer.body.error)).toEqual(["code", "message"]);
    }
  });
}

test("every route of the admin surface answers without a token", async () => {
  for (const [method, path, body, statuses] of ROUTES) {
    const target: Target = await targetFor(path);
    const sent = body?.(target);
    // The operator of the data directory is no user, so nothing is "one's own".
    const own = method === "POST" && path(target).startsWith("/keys") && !(sent as { user?: string }).user;
    const { status } = await call(admin, method, path(target), sent);
    const ownAccount = OWN_ACCOUNT.has(`${method} ${path(target)}`);
    const expected = ownAccount ? 403 : own ? 404 : statuses.admin;
    expect([method, path(target), status]).toEqual([method, path(target), expected]);
  }
});

test("signing in gives a program tokens, and no cookie", async () => {
  const answer = await call(app, "POST", "/session", { user: "Alice", password: PASSWORD });
  expect(answer.status).toBe(201);
  expect(answer.body.user).toMatchObject({ name: "alice", admin: false });
  expect(answer.headers.get("set-cookie")).toBeNull();
  expect(answer.headers.get("cache-control")).toBe("no-store");
  const me = await call(app, "GET", "/session", undefined, { token: answer.body.token });
  expect(me.body).toEqual({ user: answer.body.user, expiresAt: answer.body.sessionExpiresAt });
  const { refreshToken } = answer.body;
  const refreshed = await call(app, "POST", "/session/refresh", { refreshToken });
  expect([refreshed.status, Object.keys(refreshed.body).sort()]).toEqual([
    200,
    Object.keys(answer.body).sort(),
  ]);
  expect((await call(app, "POST", "/session/refresh", { refreshToken: "" })).status).toBe(401);
  expect((await call(app, "POST", "/session/refresh")).status).toBe(401);
});

/** The cookies that an answer sets, by name. */
function cookiesOf(headers: Headers): Map<string, { value: string; attributes: string[] }> {
  return new Map(
    headers.getSetCookie().map((line) => {
      const [pair = "", ...attributes] = line.split("; ");
      const [name = "", value = ""] = pair.split("=");
      return [name, { value, attributes: attributes.filter((each) => !each.startsWith("Expires=")).sort() }];
    }),
  );
}

const FROM_PAGE = { "x-skerry-csrf": "1" };

test("S22, E08: signing in gives a page cookies that neither scripts nor other sites can use, and no token to read", async () => {
  const credentials = { user: "alice", password: PASSWORD };
  const answer = await call(app, "POST", "/session", credentials, { headers: FROM_PAGE });
  expect(Object.keys(answer.body).sort()).toEqual(["expiresAt", "sessionExpiresAt", "user"]);
  const cookies = cookiesOf(answer.headers);
  expect([...cookies.keys()]).toEqual(["__Host-skerry_session", "__Secure-skerry_refresh"]);
  const rest = ["HttpOnly", "SameSite=Strict", "Secure"];
  expect(cookies.get("__Host-skerry_session")!.attributes).toEqual(["HttpOnly", "Path=/", ...rest.slice(1)]);
  expect(cookies.get("__Secure-skerry_refresh")!.attributes).toEqual([
    "HttpOnly",
    "Path=/session/refresh",
    ...rest.slice(1),
  ]);
});

test("S22: a page refreshes with its cookie, from itself alone, and gets new cookies", async () => {
  const credentials = { user: "alice", password: PASSWORD };
  const first = cookiesOf((await call(app, "POST", "/session", credentials, { headers: FROM_PAGE })).headers);
  const refresh = `__Secure-skerry_refresh=${first.get("__Secure-skerry_refresh")!.value}`;
  const cookie = `${refresh}; __Host-skerry_session=${first.get("__Host-skerry_session")!.value}`;
  // A page on a host below ours can plant the one cookie, but not the other.
  for (const planted of [
    refresh,
    `${refresh}; __Host-skerry_session=${tokens.user}`,
    `${refresh}; __Host-skerry_session=x`,
  ]) {
    const answer = await call(app, "POST", "/session/refresh", undefined, {
      headers: { cookie: planted, ...FROM_PAGE },
    });
    expect([answer.status, answer.headers.getSetCookie()]).toEqual([401, []]);
  }
  const forged = await call(app, "POST", "/session/refresh", undefined, { headers: { cookie } });
  expect([forged.status, forged.body.error.code]).toEqual([403, "csrf_required"]);
  const answer = await call(app, "POST", "/session/refresh", undefined, {
    headers: { cookie, ...FROM_PAGE },
  });
  expect(answer.status).toBe(200);
  expect(JSON.stringify(answer.body)).not.toContain("skr.");
  const next = cookiesOf(answer.headers).get("__Host-skerry_session")!.value;
  expect(await auth.verify(next)).toMatchObject({ name: "alice" });
});

test("behind the console's host, the refresh cookie goes to the path that is there", async () => {
  const console = new Hono<{ Bindings: { source?: string } }>().route("/api/auth", app);
  const request = new Request(`${ORIGIN}/api/auth/session`, {
    method: "POST",
    headers: { "content-type": "application/json", ...FROM_PAGE },
    body: JSON.stringify({ user: "alice", password: PASSWORD }),
  });
  const { headers } = await console.fetch(request, { source: "192.0.2.1" });
  const attributes = cookiesOf(headers).get("__Secure-skerry_refresh")!.attributes;
  expect(attributes).toContain("Path=/api/auth/session/refresh");
});

test("one's own list marks the session that asks, and the others can be ended all at once", async () => {
  const { name } = await victim();
  const token = await tokenOf(auth, name);
  const other = await tokenOf(auth, name);
  const { sessions } = (await call(app, "GET", "/sessions", undefined, { token })).body;
  expect(sessions).toHaveLength(3);
  const id = (await auth.session(token))!.id;
  expect(sessions.filter(({ current }: { current: boolean }) => current)).toMatchObject([{ id, user: name }]);
  expect((await call(app, "DELETE", "/sessions", undefined, { token })).body).toEqual({ ended: 2 });
  expect(await auth.verify(other)).toBeUndefined();
  expect(await auth.verify(token)).toBeDefined();
  const ownId = (await call(app, "DELETE", `/sessions/${id}`, undefined, { token })).status;
  expect([ownId, await auth.verify(token)]).toEqual([204, undefined]);
});

test("S20: what went wrong with a sign-in is not told, but when to try again is", async () => {
  const source = "203.0.113.1";
  const wrong = await call(app, "POST", "/session", { user: "alice", password: "a wrong guess" }, { source });
  const unknown = await call(app, "POST", "/session", { user: "nobody", password: PASSWORD }, { source });
  expect([wrong.status, wrong.body]).toEqual([unknown.status, unknown.body]);
  expect(wrong.body.error.code).toBe("invalid_credentials");
  for (let n = 0; n < 9; n++) {
    await call(app, "POST", "/session", { user: "alice", password: "a wrong guess" }, { source });
  }
  const limited = await call(app, "POST", "/session", { user: "alice", password: PASSWORD }, { source });
  expect([limited.status, limited.body.error.code]).toEqual([429, "too_many_attempts"]);
  expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(0);
});

test("S22: with the cookie one may read, but change only with the CSRF header", async () => {
  const cookie = `__Host-skerry_session=${tokens.user}`;
  expect((await call(app, "GET", "/session", undefined, { headers: { cookie } })).status).toBe(200);
  const forged = await call(app, "POST", "/keys", {}, { headers: { cookie } });
  expect([forged.status, forged.body.error.code]).toEqual([403, "csrf_required"]);
  const genuine = await call(app, "POST", "/keys", {}, { headers: { cookie, "x-skerry-csrf": "1" } });
  expect(genuine.status).toBe(201);
});

test("a wrong Authorization header is not made up for by a good cookie", async () => {
  const cookie = `__Host-skerry_session=${tokens.user}`;
  for (const authorization of ["Bearer nonsense", "Basic YWxpY2U6eA==", "Bearer"]) {
    const answer = await call(app, "GET", "/session", undefined, { headers: { cookie, authorization } });
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toStartWith("Bearer");
  }
});

test("signing out ends the session and clears the cookie", async () => {
  const token = await tokenOf(auth, "alice");
  const answer = await call(app, "DELETE", "/session", undefined, { token });
  expect(answer.status).toBe(204);
  expect(answer.headers.get("set-cookie")).toContain("__Host-skerry_session=; Max-Age=0");
  expect(answer.headers.get("set-cookie")).toContain("__Secure-skerry_refresh=; Max-Age=0");
  expect((await call(app, "GET", "/session", undefined, { token })).status).toBe(401);
});

test("no boundary and no Deny keeps somebody signed in, nor lets them end another session", async () => {
  const { name } = await victim();
  const deny = { Statement: { Effect: "Deny", Action: "*", Resource: "*" } };
  const allow = {
    Statement: { Effect: "Allow", Action: "s3:GetObject", Resource: "arn:aws:s3:::nowhere/*" },
  };
  const version = { Version: "2012-10-17" };
  await auth.roles.create("gagged", { ...version, ...deny });
  await auth.roles.create("bounds", { ...version, ...allow });
  await auth.attachments.attach({ kind: "user", name }, "gagged");
  await auth.attachments.setBoundary({ kind: "user", name }, "bounds");
  const [kept, token, byId] = await Promise.all([1, 2, 3].map(() => tokenOf(auth, name)));
  const id = (await auth.session(byId!))!.id;
  expect((await call(app, "GET", "/session", undefined, { token: kept })).status).toBe(403);
  expect((await call(app, "DELETE", `/sessions/${id}`, undefined, { token: kept })).status).toBe(404);
  expect((await call(app, "DELETE", "/sessions", undefined, { token: kept })).status).toBe(403);
  expect((await call(app, "DELETE", "/session", undefined, { token })).status).toBe(204);
  expect((await call(app, "DELETE", `/sessions/${id}`, undefined, { token: byId })).status).toBe(204);
  expect(await Promise.all([kept!, token!, byId!].map((each) => auth.verify(each)))).toEqual([
    expect.objectContaining({ name }),
    undefined,
    undefined,
  ]);
});

test.each([false, true])(
  "a user (administrator: %p) changes the own password only with the current one",
  async (admin) => {
    const { name } = await victim();
    if (admin) await auth.updateUser(name, { admin });
    const token = await tokenOf(auth, name);
    const path = `/users/${name.toUpperCase()}/password`;
    const put = (body: unknown) => call(app, "PUT", path, body, { token, source: "203.0.113.2" });
    expect((await put({ password: "new password" })).status).toBe(400);
    expect((await put({ password: "new password", currentPassword: "a wrong guess" })).status).toBe(401);
    expect((await put({ password: "new password", currentPassword: PASSWORD })).status).toBe(204);
    expect(await tokenOf(auth, name, "new password")).toBeString();
  },
);

test("a user's list has the own keys only", async () => {
  const { body } = await call(app, "GET", "/keys", undefined, { token: tokens.user });
  expect(body.keys.length).toBeGreaterThan(0);
  for (const key of body.keys) expect(key.user).toBe("alice");
});

test.each<[string, string, string, RequestInit]>([
  ["not JSON", "POST", "/session", { body: "{", headers: { "content-type": "application/json" } }],
  ["no body", "POST", "/session", { headers: { "content-type": "application/json" } }],
  ["an array", "POST", "/session", { body: "[]", headers: { "content-type": "application/json" } }],
  [
    "a form, as another site could send it",
    "POST",
    "/session",
    {
      body: `{"user":"alice","password":"${PASSWORD}"}`,
      headers: { "content-type": "text/plain" },
    },
  ],
  [
    "an unknown field",
    "POST",
    "/session",
    {
      body: `{"user":"alice","password":"${PASSWORD}","admin":true}`,
      headers: { "content-type": "application/json" },
    },
  ],
  [
    "a field of another type",
    "POST",
    "/session",
    { body: `{"user":{"$ne":""},"password":["x"]}`, headers: { "content-type": "application/json" } },
  ],
])("a body that is %s is refused as invalid", async (_what, method, path, init) => {
  const response = await app.fetch(new Request(`${ORIGIN}${path}`, { method, ...init }));
  expect(response.status).toBe(400);
  const answer = (await response.json()) as { error: { code: string; message: string } };
  expect(answer.error.code).toBe("invalid_request");
  expect(answer.error.message).not.toContain(PASSWORD);
});

test("a body over the limit is refused, told beforehand or not", async () => {
  const big = JSON.stringify({ user: "alice", password: "x".repeat(60_000) });
  const stream = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(big));
      controller.close();
    },
  });
  for (const body of [big, stream]) {
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (typeof body === "string") headers["content-length"] = String(body.length);
    const response = await app.fetch(new Request(`${ORIGIN}/session`, { method: "POST", headers, body }));
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ error: { code: "body_too_large" } });
  }
});

test("S21: an unforeseen failure is logged, and its text stays here", async () => {
  const lines: (LogFields | undefined)[] = [];
  const failing = Object.create(auth, {
    listUsers: { value: () => Promise.reject(new Error("relation users at 10.0.0.1")) },
  }) as AuthService;
  const log: Log = { ...silentLog, error: (_message, fields) => lines.push(fields) };
  const answer = await call(createAdminApp(failing, log), "GET", "/users");
  expect([answer.status, answer.body.error.code]).toEqual([500, "internal"]);
  expect(JSON.stringify(answer.body)).not.toContain("10.0.0.1");
  expect(lines).toMatchObject([{ error: "relation users at 10.0.0.1" }]);
});

test("S20: an unauthenticated client learns nothing from names: an unknown and a known one are answered alike", async () => {
  const known = await call(app, "DELETE", "/users/alice", undefined, { token: tokens.user });
  const unknown = await call(app, "DELETE", "/users/nobody", undefined, { token: tokens.user });
  expect([known.status, known.body]).toEqual([unknown.status, unknown.body]);
});

test("the published keys check our tokens and hold nothing private", async () => {
  const { body, headers } = await call(app, "GET", "/.well-known/jwks.json");
  expect(body.keys).toHaveLength(1);
  expect(Object.keys(body.keys[0]).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x"]);
  expect(headers.get("cache-control")).toBe("public, max-age=300");
});

test("the exported type drives a typed client", async () => {
  const client = hc<AuthApp>(ORIGIN, {
    fetch: (input: RequestInfo | URL, init?: RequestInit) => app.fetch(new Request(input, init)),
    headers: { authorization: `Bearer ${tokens.admin}` },
  });
  const { users } = await (await client.users.$get()).json();
  expect(users.map(({ name }) => name)).toContain("alice");
  const made = await client.keys.$post({ json: { user: "alice" } });
  expect((await made.json()).secretAccessKey).toHaveLength(40);
});
