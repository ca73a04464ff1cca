import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Database } from "../../../std/db/database.ts";
import { type LogFields, silentLog } from "../../../std/log.ts";
import { type AuthApp, createAuthApp } from "../app.ts";
import type { AuthService } from "../service.ts";
import { type LiveSession, RECENT_SIGN_IN_MS } from "../sessions/sessions.ts";
import { AuthBench, from, PASSWORD, refusal, signedIn } from "../test-auth.ts";
import { FLOW_MS } from "./openid-sign-in.ts";
import { PROVIDERS_MAX } from "./providers.ts";
import { CLIENT, type Lie, TestProvider } from "./testing/provider.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

const HERE = from("192.0.2.1");
const callbackOf = (id: string) => `https://cloud.test:8443/api/auth/openid/${id}/callback`;
let bench: AuthBench;
let auth: AuthService;
let app: AuthApp;
let sql: Database;
let provider: TestProvider;
let other: TestProvider;
let session: LiveSession;
const warnings: (LogFields | undefined)[] = [];

beforeAll(async () => {
  bench = await AuthBench.start();
  const log = { ...silentLog, warn: (_message: string, fields?: LogFields) => warnings.push(fields) };
  ({ auth, sql } = await bench.open("main", { log }));
  app = createAuthApp(auth, log);
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
  await auth.createUser({ name: "alice", password: PASSWORD });
  session = (await auth.session((await signedIn(auth, "alice")).token))!;
});

afterAll(() => bench.stop());

beforeEach(async () => {
  [provider, other] = [await TestProvider.start(), await TestProvider.start()];
  await put("work", provider);
  await put("other", other);
});

afterEach(async () => {
  bench.clock.aheadMs = 0;
  await Promise.all([provider.stop(), other.stop()]);
});

function put(id: string, { issuer }: { issuer: string }, changed: { callbackUrl?: string } = {}) {
  const settings = { id, name: "Work", issuer, clientId: CLIENT.id, clientSecret: CLIENT.secret };
  return auth.providers.put({ ...settings, callbackUrl: callbackOf(id), ...changed });
}

/** Links alice to `subject` at the provider. */
async function link(subject: string, by: LiveSession = session): Promise<void> {
  const { url, flow } = await auth.openidSignIn.begin("work", by);
  const query = new URLSearchParams(provider.approve(url, subject));
  expect(await auth.openidSignIn.finish("work", `?${query}`, flow, HERE)).toBeUndefined();
}

async function signIn(subject: string) {
  const { url, flow } = await auth.openidSignIn.begin("work");
  return auth.openidSignIn.finish("work", provider.approve(url, subject), flow, HERE);
}

test("a linked account signs in, by issuer and subject", async () => {
  await link("subject-1");
  const entered = await signIn("subject-1");
  expect(entered?.user.name).toBe("alice");
  expect(await auth.verify(entered!.token)).toMatchObject({ name: "alice" });
  expect((await auth.sessions.list(session.principal.userId))[0]!.method).toBe("openid:work");
  expect(await auth.identities.list(session.principal.userId)).toContainEqual(
    expect.objectContaining({
      issuer: provider.issuer,
      subject: "subject-1",
      lastUsedAt: expect.any(Number),
    }),
  );
});

test("S13: an account that was not linked signs nobody in, whatever e-mail or name it claims", async () => {
  expect(await refusal(signIn("root"))).toBe("not_linked");
  expect(await refusal(signIn("root@cloud.test"))).toBe("not_linked");
});

test("the same subject at another issuer is another account", async () => {
  await link("subject-2");
  const { url, flow } = await auth.openidSignIn.begin("other");
  const back = other.approve(url, "subject-2");
  expect(await refusal(auth.openidSignIn.finish("other", back, flow, HERE))).toBe("not_linked");
});

test.each<[string, Lie]>([
  ["another audience", { audience: "another-client" }],
  ["another nonce", { nonce: "another" }],
  ["another issuer", { issuer: "https://elsewhere.test" }],
  ["an expiry in the past", { expiresIn: -120 }],
  ["no signature", { algorithm: "none" }],
  ["the client secret for a key", { algorithm: "HS256" }],
  ["somebody else's signature", { otherKey: true }],
])("S13: an ID token with %s is refused", async (_fault, lie) => {
  await link(`lied-about-${_fault}`);
  provider.lie = lie;
  expect(await refusal(signIn(`lied-about-${_fault}`))).toBe("openid_refused");
  provider.lie = {};
  expect((await signIn(`lied-about-${_fault}`))?.user.name).toBe("alice");
  await unlinkAll();
});

async function unlinkAll() {
  const { userId } = session.principal;
  for (const { id } of await auth.identities.list(userId)) await auth.identities.unlink(userId, id);
}

test("an answer with another state, another issuer, none of either, or an error is refused", async () => {
  const { url, flow } = await auth.openidSignIn.begin("work");
  const back = provider.approve(url, "subject-1");
  const without = (name: string) => {
    const query = new URLSearchParams(back);
    query.delete(name);
    return `?${query}`;
  };
  const wrong = [
    back.replace(/state=[^&]*/, "state=another"),
    without("state"),
    without("iss"),
    without("code"),
    back.replace(/iss=[^&]*/, `iss=${encodeURIComponent(other.issuer)}`),
    `${back}&state=another`,
    `?error=access_denied&state=${new URLSearchParams(back).get("state")}&iss=${encodeURIComponent(provider.issuer)}`,
    "",
  ];
  for (const search of wrong) {
    expect([search, await refusal(auth.openidSignIn.finish("work", search, flow, HERE))]).toEqual([
      search,
      "openid_refused",
    ]);
  }
});

test("S13: a provider cannot pass its answer off as another's", async () => {
  await link("mixed-up");
  // The person left for one provider and comes back to the other one's callback, or the other way round.
  const { url, flow } = await auth.openidSignIn.begin("other");
  expect(await refusal(auth.openidSignIn.finish("work", other.approve(url, "mixed-up"), flow, HERE))).toBe(
    "openid_refused",
  );
  const honest = await auth.openidSignIn.begin("work");
  const code = provider.approve(honest.url, "mixed-up");
  expect(await refusal(auth.openidSignIn.finish("other", code, flow, HERE))).toBe("openid_refused");
  await unlinkAll();
});

test("who left for one provider is not taken back from another that it forwarded them to", async () => {
  // Neither names itself in its answer, so that only where the person left for can tell.
  for (const each of [provider, other])
    each.metadata = { authorization_response_iss_parameter_supported: false };
  await link("forwarded");
  const { url, flow } = await auth.openidSignIn.begin("other");
  const forwarded = new URL(url);
  forwarded.searchParams.set("redirect_uri", callbackOf("work"));
  const query = new URLSearchParams(provider.approve(forwarded.href, "forwarded"));
  query.delete("iss");
  expect(await refusal(auth.openidSignIn.finish("work", `?${query}`, flow, HERE))).toBe("openid_refused");
  await unlinkAll();
});

test("S13: a code is taken once, even from a provider that grants it twice", async () => {
  await link("replayed");
  provider.grantsTwice = true;
  const { url, flow } = await auth.openidSignIn.begin("work");
  const back = provider.approve(url, "replayed");
  expect((await auth.openidSignIn.finish("work", back, flow, HERE))?.user.name).toBe("alice");
  expect(await refusal(auth.openidSignIn.finish("work", back, flow, HERE))).toBe("openid_refused");
  await unlinkAll();
});

test("a code without the browser that left with it, or after ten minutes, is refused", async () => {
  await link("stolen");
  const { url, flow } = await auth.openidSignIn.begin("work");
  const back = provider.approve(url, "stolen");
  const thief = await auth.openidSignIn.begin("work");
  const state = new URLSearchParams(provider.approve(thief.url, "x")).get("state")!;
  const injected = back.replace(/state=[^&]*/, `state=${state}`);
  for (const [search, kept] of [
    [back, ""],
    [back, "AAAA"],
    [back, thief.flow],
    // PKCE: the code belongs to another verifier.
    [injected, thief.flow],
  ] as const) {
    expect(await refusal(auth.openidSignIn.finish("work", search, kept, HERE))).toBe("openid_refused");
  }
  bench.clock.aheadMs = FLOW_MS + 1;
  expect(await refusal(auth.openidSignIn.finish("work", back, flow, HERE))).toBe("openid_refused");
  await unlinkAll();
});

test("a user who is disabled, or whose account was unlinked, does not get in", async () => {
  await auth.createUser({ name: "leaver", password: PASSWORD });
  const leaver = (await auth.session((await signedIn(auth, "leaver")).token))!;
  await link("leaving", leaver);
  await auth.updateUser("leaver", { disabled: true });
  expect(await refusal(signIn("leaving"))).toBe("openid_refused");
  await auth.updateUser("leaver", { disabled: false });
  expect((await signIn("leaving"))?.user.name).toBe("leaver");
  const [identity] = await auth.identities.list(leaver.principal.userId);
  expect(await refusal(auth.identities.unlink(session.principal.userId, identity!.id))).toBe("not_found");
  await auth.identities.unlink(leaver.principal.userId, identity!.id);
  expect(await refusal(signIn("leaving"))).toBe("not_linked");
});

test("an account is linked to one user, for a session that still lives", async () => {
  await link("taken");
  const root = (await auth.session((await signedIn(auth, "root")).token))!;
  const again = await auth.openidSignIn.begin("work", root);
  const back = provider.approve(again.url, "taken");
  expect(await refusal(auth.openidSignIn.finish("work", back, again.flow, HERE))).toBe("identity_taken");
  const late = await auth.openidSignIn.begin("work", root);
  await auth.signOut(root);
  const answer = provider.approve(late.url, "free");
  expect(await refusal(auth.openidSignIn.finish("work", answer, late.flow, HERE))).toBe("unauthenticated");
  expect(await refusal(signIn("free"))).toBe("not_linked");
  await unlinkAll();
});

test("a provider that does not answer, names another issuer, or leads to plain addresses is told as unavailable", async () => {
  const gone = await TestProvider.start();
  await put("gone", gone);
  await gone.stop();
  expect(await refusal(auth.openidSignIn.begin("gone"))).toBe("provider_unavailable");
  provider.metadata = { issuer: "https://elsewhere.test" };
  expect(await refusal(auth.openidSignIn.begin("work"))).toBe("provider_unavailable");
  // The same server by an address that is not this machine's own for all that is known of it.
  const elsewhere = other.issuer.replace("127.0.0.1", "[::ffff:127.0.0.1]");
  other.metadata = { token_endpoint: `${elsewhere}/token` };
  const { url, flow } = await auth.openidSignIn.begin("other");
  const back = other.approve(url, "x");
  expect(await refusal(auth.openidSignIn.finish("other", back, flow, HERE))).toBe("openid_refused");
});

test("S13: where a provider redirects to nobody goes", async () => {
  const hits: string[] = [];
  const serve = (fetch: (path: string) => Response) =>
    Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: ({ url }) => fetch(new URL(url).pathname) });
  const inside = serve((path) => {
    hits.push(path);
    return Response.json({});
  });
  const leading = serve((path) => Response.redirect(`http://127.0.0.1:${inside.port}${path}`, 307));
  const to = `http://127.0.0.1:${leading.port}`;
  await put("leading", { issuer: to });
  expect(await refusal(auth.openidSignIn.begin("leading"))).toBe("provider_unavailable");
  const outcomes: string[] = [];
  for (const metadata of [{}, { token_endpoint: `${to}/token` }, { jwks_uri: `${to}/jwks` }]) {
    const lying = await TestProvider.start();
    lying.metadata = metadata;
    await put("leading", lying);
    const { url, flow } = await auth.openidSignIn.begin("leading");
    const back = lying.approve(url, "x");
    outcomes.push(await refusal(auth.openidSignIn.finish("leading", back, flow, HERE)));
    await lying.stop();
  }
  await Promise.all([inside.stop(true), leading.stop(true)]);
  // The first one, which redirects nobody, fails for want of a link alone.
  expect([outcomes, hits]).toEqual([["not_linked", "openid_refused", "openid_refused"], []]);
});

test("many who begin at the same time ask the provider once, also one that fails, and again after a moment", async () => {
  const begin = () => auth.openidSignIn.begin("work");
  await Promise.all(Array.from({ length: 5 }, begin));
  expect(provider.discoveries).toBe(1);
  other.metadata = { issuer: "https://elsewhere.test" };
  const failing = () => refusal(auth.openidSignIn.begin("other"));
  await Promise.all([failing(), failing(), failing()]);
  expect(await failing()).toBe("provider_unavailable");
  expect(other.discoveries).toBe(1);
  other.metadata = {};
  bench.clock.aheadMs = 7_200_000;
  expect((await auth.openidSignIn.begin("other")).url).toStartWith(other.issuer);
});

test.each([
  ["an issuer without TLS", { issuer: "http://login.test" }, {}],
  ["an issuer that is no URL", { issuer: "login" }, {}],
  ["an issuer with a query", { issuer: "https://login.test/?x" }, {}],
  [
    "a callback on another host",
    { issuer: "https://login.test" },
    { callbackUrl: "https://evil.test/api/auth/openid/bad/callback" },
  ],
  ["a callback elsewhere", { issuer: "https://login.test" }, { callbackUrl: "https://cloud.test/elsewhere" }],
  ["a callback of another provider", { issuer: "https://login.test" }, { callbackUrl: callbackOf("work") }],
])("%s is refused when a provider is set up", async (_fault, at, changed) => {
  expect(await refusal(put("bad", at, changed))).toBe("invalid_provider");
});

test("there is a bounded number of providers, and the database does not hold their secrets", async () => {
  for (let n = (await auth.providers.list()).length; n < PROVIDERS_MAX; n++) await put(`more-${n}`, provider);
  expect(await refusal(put("one-more", provider))).toBe("limit_reached");
  await put("work", provider);
  for (const { id } of await auth.providers.list())
    if (id.startsWith("more-")) await auth.providers.remove(id);
  const rows = await sql<{ text: string }[]>`SELECT identity_providers::text AS text FROM identity_providers`;
  for (const { text } of rows) {
    expect(text).not.toContain(CLIENT.secret);
    expect(text).not.toContain(Buffer.from(CLIENT.secret).toString("hex"));
  }
  expect(JSON.stringify(await auth.providers.list())).not.toContain(CLIENT.secret);
});

async function call(method: string, path: string, headers: Record<string, string> = {}, body?: unknown) {
  const init = { method, headers: { "content-type": "application/json", ...headers } };
  const request = new Request(`https://cloud.test:8443${path}`, {
    ...init,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return app.fetch(request, { source: "192.0.2.1" });
}

const cookieOf = (answer: Response, name: string) =>
  answer.headers.getSetCookie().find((line) => line.startsWith(`${name}=`)) ?? "";

test("by the browser: link, sign in, and be told what went wrong, with cookies that only we can read", async () => {
  const bearer = { authorization: `Bearer ${(await signedIn(auth, "alice")).token}` };
  const asked = await call("POST", "/openid/work/link", bearer);
  const flow = cookieOf(asked, "__Host-skerry_openid");
  for (const attribute of ["HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=600"]) {
    expect(flow).toContain(attribute);
  }
  const { url } = (await asked.json()) as { url: string };
  expect(url).toStartWith(`${provider.issuer}/authorize?`);
  const back = `/openid/work/callback${provider.approve(url, "by-browser")}`;
  const linked = await call("GET", back, { cookie: flow.split(";")[0]! });
  expect([linked.status, linked.headers.get("location")]).toEqual([303, "/"]);
  expect(cookieOf(linked, "__Host-skerry_session")).toBe("");

  const left = await call("GET", "/openid/work/start");
  expect(left.status).toBe(303);
  const cookie = cookieOf(left, "__Host-skerry_openid").split(";")[0]!;
  const query = provider.approve(left.headers.get("location")!, "by-browser");
  const entered = await call("GET", `/openid/work/callback${query}`, { cookie });
  expect([entered.status, entered.headers.get("location")]).toEqual([303, "/"]);
  const token = /^__Host-skerry_session=([^;]+);/.exec(cookieOf(entered, "__Host-skerry_session"))![1]!;
  expect(await auth.verify(token)).toMatchObject({ name: "alice" });
  expect(cookieOf(entered, "__Host-skerry_openid")).toContain("Max-Age=0");

  warnings.length = 0;
  const failed = await call("GET", `/openid/work/callback${query}`, { cookie });
  expect(failed.headers.get("location")).toBe("/?sign-in-error=openid_refused");
  expect(cookieOf(failed, "__Host-skerry_session")).toBe("");
  expect(warnings).toHaveLength(1);
  const code = new URLSearchParams(query).get("code")!;
  for (const secret of [code, CLIENT.secret]) expect(JSON.stringify(warnings)).not.toContain(secret);
});

test("who may do what: providers are the administrators', linked accounts one's own", async () => {
  const bearerOf = async (name: string) => ({
    authorization: `Bearer ${(await signedIn(auth, name)).token}`,
  });
  const [alice, root] = [await bearerOf("alice"), await bearerOf("root")];
  const settings = {
    name: "New",
    issuer: provider.issuer,
    clientId: CLIENT.id,
    clientSecret: CLIENT.secret,
    callbackUrl: callbackOf("new"),
  };
  for (const [method, path, body, statuses] of [
    ["GET", "/openid/providers", undefined, [401, 403, 200]],
    ["PUT", "/openid/providers/new", settings, [401, 403, 204]],
    ["PUT", "/openid/providers/New", settings, [401, 403, 400]],
    ["PUT", "/openid/providers/new", { ...settings, extra: 1 }, [401, 403, 400]],
    ["DELETE", "/openid/providers/new", undefined, [401, 403, 204]],
    ["DELETE", "/openid/providers/new", undefined, [401, 403, 404]],
    ["POST", "/openid/nowhere/link", undefined, [401, 404, 404]],
    ["GET", "/openid/nowhere/start", undefined, [404, 404, 404]],
    ["GET", "/identities", undefined, [401, 200, 200]],
    ["DELETE", "/identities/x", undefined, [401, 404, 404]],
    ["GET", "/sign-in-methods", undefined, [200, 200, 200]],
  ] as const) {
    const seen = [];
    for (const who of [{}, alice, root]) seen.push((await call(method, path, who, body)).status);
    expect([method, path, seen]).toEqual([method, path, [...statuses]]);
  }
  const methods = await (await call("GET", "/sign-in-methods")).json();
  expect(methods).toMatchObject({
    signUp: false,
    providers: expect.arrayContaining([{ id: "work", name: "Work" }]),
  });
});

test("with a session that was left open no account is linked or unlinked", async () => {
  const { refreshToken } = await signedIn(auth, "alice");
  bench.clock.aheadMs = RECENT_SIGN_IN_MS + 1_000;
  const { token } = await auth.sessions.refresh(refreshToken, HERE);
  for (const [method, path] of [
    ["POST", "/openid/work/link"],
    ["DELETE", "/identities/x"],
  ] as const) {
    const answer = await call(method, path, { authorization: `Bearer ${token}` });
    expect([answer.status, await answer.json()]).toMatchObject([
      403,
      { error: { code: "recent_sign_in_required" } },
    ]);
  }
});
