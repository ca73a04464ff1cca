import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Database } from "../../../std/db/database.ts";
import { silentLog } from "../../../std/log.ts";
import { createAuthApp } from "../app.ts";
import type { AuthService } from "../service.ts";
import { type LiveSession, RECENT_SIGN_IN_MS } from "../sessions/sessions.ts";
import type { SecondFactor } from "../sign-in/passkey-sign-in.ts";
import { AuthBench, from, PASSWORD, refusal, signedIn } from "../test-auth.ts";
import { CHALLENGE_MS } from "./ceremonies.ts";
import { PASSKEYS_PER_USER_MAX } from "./passkey-store.ts";
import { type Behaviour, SoftwareAuthenticator } from "./testing/software-authenticator.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

const HERE = from("192.0.2.1");
const SOUND: Behaviour = {
  origin: "https://cloud.test:8443",
  rpId: "cloud.test",
  verifies: true,
  step: 1,
  algorithm: "ES256",
};
let bench: AuthBench;
let auth: AuthService;
let sql: Database;

beforeAll(async () => {
  bench = await AuthBench.start();
  ({ auth, sql } = await bench.open("main"));
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
});

afterEach(() => {
  bench.clock.aheadMs = 0;
});

afterAll(() => bench.stop());

let serial = 0;
async function user(): Promise<{ name: string; session: LiveSession }> {
  const name = `user${++serial}`;
  await auth.createUser({ name, password: PASSWORD });
  return { name, session: (await auth.session((await signedIn(auth, name)).token))! };
}

async function register(
  session: LiveSession,
  authenticator: SoftwareAuthenticator,
  changed: Partial<Behaviour> = {},
) {
  const { state, options } = await auth.ceremonies.beginRegistration(session);
  const response = authenticator.create(options, changed);
  return auth.ceremonies.register(session, { state, name: "key", response });
}

/** A user with one passkey. */
async function holder(behaviour: Partial<Behaviour> = {}) {
  const authenticator = new SoftwareAuthenticator({ ...SOUND, ...behaviour });
  const { name, session } = await user();
  const passkey = await register(session, authenticator);
  return { name, session, authenticator, passkey };
}

async function signInWith(authenticator: SoftwareAuthenticator, changed: Partial<Behaviour> = {}) {
  const { state, options } = await auth.passkeySignIn.begin();
  return auth.passkeySignIn.finish({ state, response: authenticator.get(options, changed) }, HERE);
}

async function askedForSecond(name: string): Promise<SecondFactor["secondFactor"]> {
  const result = await auth.signIn(name, PASSWORD, HERE);
  if (!("secondFactor" in result)) throw new Error("the password alone was enough");
  return result.secondFactor;
}

test.each(["ES256", "EdDSA"] as const)(
  "a passkey (%s) signs in without name or password",
  async (algorithm) => {
    const { name, authenticator } = await holder({ algorithm });
    const { user, token } = await signInWith(authenticator);
    expect(user.name).toBe(name);
    expect(await auth.verify(token)).toMatchObject({ name });
    expect((await auth.sessions.list(user.userId))[0]!.method).toBe("passkey");
  },
);

test("an authenticator that does not count signs in over and over", async () => {
  const { name, authenticator } = await holder({ step: 0 });
  for (let n = 0; n < 3; n++) expect((await signInWith(authenticator)).user.name).toBe(name);
});

test.each<[string, Partial<Behaviour>]>([
  ["of another origin", { origin: "https://cloud.test.evil.example" }],
  ["of a host below ours", { origin: "https://storage.cloud.test" }],
  ["of a page without TLS", { origin: "http://cloud.test" }],
  ["with an origin that is none", { origin: "https://cloud.test/path" }],
  ["for another relying party", { rpId: "evil.example" }],
  ["without making sure of the person", { verifies: false }],
  ["to another challenge", { challenge: Buffer.alloc(32, 7).toString("base64url") }],
  ["of the other ceremony", { type: "webauthn.create" }],
  ["with a damaged signature", { damage: 1 }],
  ["of a copy, whose counter stands still", { step: 0 }],
])("an answer %s is refused", async (_fault, changed) => {
  const { authenticator } = await holder();
  expect((await signInWith(authenticator)).user).toBeDefined();
  expect(await refusal(signInWith(authenticator, changed))).toBe("invalid_credentials");
  expect((await signInWith(authenticator)).user).toBeDefined();
});

test.each<[string, Partial<Behaviour>]>([
  ["of another origin", { origin: "https://evil.example" }],
  ["for another relying party", { rpId: "evil.example" }],
  ["to another challenge", { challenge: Buffer.alloc(32, 7).toString("base64url") }],
  ["of the other ceremony", { type: "webauthn.get" }],
])("a registration %s is refused", async (_fault, changed) => {
  const { session } = await user();
  const refused = register(session, new SoftwareAuthenticator(SOUND), changed);
  expect(await refusal(refused)).toBe("invalid_passkey");
  expect(await auth.passkeys.list(session.principal.userId)).toEqual([]);
});

test("an answer is taken once, by whichever process and however fast", async () => {
  const { authenticator } = await holder({ step: 0 });
  const there = (await bench.open("main")).auth;
  const { state, options } = await auth.passkeySignIn.begin();
  const answer = { state, response: authenticator.get(options) };
  const tries = Array.from({ length: 6 }, (_, n) =>
    (n % 2 ? auth : there).passkeySignIn.finish(answer, HERE),
  );
  const done = (await Promise.allSettled(tries)).filter(({ status }) => status === "fulfilled");
  expect(done).toHaveLength(1);
  expect(await refusal(auth.passkeySignIn.finish(answer, HERE))).toBe("invalid_credentials");
});

test("a state is good for 5 minutes, unaltered, and for what it was made for", async () => {
  const { name, authenticator } = await holder();
  const late = await auth.passkeySignIn.begin();
  bench.clock.aheadMs = CHALLENGE_MS + 1;
  const tooLate = { state: late.state, response: authenticator.get(late.options) };
  expect(await refusal(auth.passkeySignIn.finish(tooLate, HERE))).toBe("invalid_credentials");
  bench.clock.aheadMs = 0;
  const second = await askedForSecond(name);
  const misused = { state: second.state, response: authenticator.get(second.options) };
  expect(await refusal(auth.passkeySignIn.finish(misused, HERE))).toBe("invalid_credentials");
  for (const state of ["", "AAAA", `${second.state.slice(0, -2)}AA`]) {
    const answer = { state, response: authenticator.get(second.options) };
    expect(await refusal(auth.passkeySignIn.finishSecond(answer, HERE))).toBe("invalid_credentials");
  }
});

test("E09: who has a passkey is asked for it after the password", async () => {
  const { name, authenticator } = await holder({ verifies: false });
  const { state, options } = await askedForSecond(name);
  expect(options.allowCredentials?.map(({ id }) => id)).toEqual([authenticator.id.toString("base64url")]);
  const answer = { state, response: authenticator.get(options) };
  const { user } = await auth.passkeySignIn.finishSecond(answer, HERE);
  expect(user.name).toBe(name);
  expect((await auth.sessions.list(user.userId))[0]!.method).toBe("password+passkey");
  expect(await refusal(auth.passkeySignIn.finishSecond(answer, HERE))).toBe("invalid_credentials");
});

test("E09: another user's passkey is no second factor, and a wrong password asks for none", async () => {
  const [mine, theirs] = [await holder(), await holder()];
  const { state, options } = await askedForSecond(mine.name);
  const answer = { state, response: theirs.authenticator.get(options) };
  expect(await refusal(auth.passkeySignIn.finishSecond(answer, HERE))).toBe("invalid_credentials");
  expect(await refusal(auth.signIn(mine.name, "a wrong guess", HERE))).toBe("invalid_credentials");
});

test("a second factor is void once the password was changed, the user disabled or the passkey removed", async () => {
  const [changed, disabled, removed] = [await holder(), await holder(), await holder()];
  const attempts = await Promise.all(
    [changed, disabled, removed].map(async ({ name, authenticator }) => {
      const { state, options } = await askedForSecond(name);
      return { state, response: authenticator.get(options) };
    }),
  );
  await auth.setPassword(changed.name, "another password");
  await auth.updateUser(disabled.name, { disabled: true });
  await auth.passkeys.remove(removed.session.principal.userId, removed.passkey.id);
  for (const answer of attempts) {
    expect(await refusal(auth.passkeySignIn.finishSecond(answer, HERE))).toBe("invalid_credentials");
  }
  expect(await refusal(signInWith(disabled.authenticator))).toBe("invalid_credentials");
  expect(await refusal(signInWith(removed.authenticator))).toBe("invalid_credentials");
});

test("a registration is bound to its session and answered once", async () => {
  const [mine, theirs] = [await user(), await user()];
  const authenticator = new SoftwareAuthenticator(SOUND);
  const { state, options } = await auth.ceremonies.beginRegistration(mine.session);
  const answer = { state, name: "key", response: authenticator.create(options) };
  expect(await refusal(auth.ceremonies.register(theirs.session, answer))).toBe("invalid_passkey");
  const { id } = await auth.ceremonies.register(mine.session, answer);
  await auth.passkeys.remove(mine.session.principal.userId, id);
  expect(await refusal(auth.ceremonies.register(mine.session, answer))).toBe("invalid_passkey");
});

test("a passkey belongs to one user, and a user has a bounded number", async () => {
  const { session, authenticator } = await holder();
  const other = await user();
  expect(await refusal(register(other.session, authenticator))).toBe("passkey_exists");
  const more = Array.from({ length: PASSKEYS_PER_USER_MAX }, () =>
    register(session, new SoftwareAuthenticator(SOUND)),
  );
  const refused = (await Promise.allSettled(more)).filter(({ status }) => status === "rejected");
  expect(refused).toHaveLength(1);
  expect(await refusal(register(session, new SoftwareAuthenticator(SOUND)))).toBe("limit_reached");
});

test("what is used up is forgotten when it could not be used again anyway", async () => {
  await signInWith((await holder()).authenticator);
  bench.clock.aheadMs = CHALLENGE_MS + 1_000;
  await auth.maintain();
  expect(await sql`SELECT FROM used_challenges`).toHaveLength(0);
});

interface Answer {
  status: number;
  body: { error?: { code: string }; [name: string]: unknown };
}

async function call(method: string, path: string, token?: string, body?: unknown): Promise<Answer> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  const init = { method, headers, body: body === undefined ? undefined : JSON.stringify(body) };
  const app = createAuthApp(auth, silentLog);
  const answer = await app.fetch(new Request(`https://cloud.test${path}`, init), { source: "192.0.2.1" });
  const text = await answer.text();
  return { status: answer.status, body: text === "" ? {} : JSON.parse(text) };
}

test("by the API: register, list, rename, sign in with both factors and with one, delete", async () => {
  const { name } = await user();
  const { token } = await signedIn(auth, name);
  const authenticator = new SoftwareAuthenticator(SOUND);
  const begun = (await call("POST", "/passkeys/registration", token)).body as never as Awaited<
    ReturnType<typeof auth.ceremonies.beginRegistration>
  >;
  const response = authenticator.create(begun.options);
  const made = await call("POST", "/passkeys", token, { state: begun.state, name: " laptop ", response });
  expect([made.status, made.body]).toMatchObject([201, { name: "laptop", backedUp: true, lastUsedAt: null }]);
  const path = `/passkeys/${made.body.id}`;
  expect((await call("PATCH", path, token, { name: "phone" })).status).toBe(204);

  const asked = await call("POST", "/session", undefined, { user: name, password: PASSWORD });
  expect([asked.status, Object.keys(asked.body)]).toEqual([202, ["secondFactor"]]);
  const second = asked.body.secondFactor as SecondFactor["secondFactor"];
  const answer = { state: second.state, response: authenticator.get(second.options) };
  expect((await call("POST", "/session/second-factor", undefined, answer)).status).toBe(201);

  const alone = (await call("POST", "/session/passkey/options"))
    .body as never as SecondFactor["secondFactor"];
  const proof = { state: alone.state, response: authenticator.get(alone.options) };
  const entered = await call("POST", "/session/passkey", undefined, proof);
  expect([entered.status, entered.body.user]).toMatchObject([201, { name }]);

  const { passkeys } = (await call("GET", "/passkeys", token)).body;
  expect(passkeys).toMatchObject([{ name: "phone", lastUsedAt: expect.any(Number) }]);
  expect((await call("DELETE", path, token)).status).toBe(204);
  expect((await call("DELETE", path, token)).status).toBe(404);
});

test("somebody else's passkey can be neither renamed nor deleted, but an administrator takes all of a user away", async () => {
  const { name, passkey } = await holder();
  const stranger = (await signedIn(auth, (await user()).name)).token;
  const path = `/passkeys/${passkey.id}`;
  expect((await call("PATCH", path, stranger, { name: "mine" })).status).toBe(404);
  expect((await call("DELETE", path, stranger)).status).toBe(404);
  expect((await call("DELETE", `/users/${name}/passkeys`, stranger)).status).toBe(403);
  const { token } = await signedIn(auth, "root");
  expect((await call("DELETE", `/users/${name}/passkeys`, token)).body).toEqual({ removed: 1 });
  expect((await signedIn(auth, name)).user.name).toBe(name);
});

test("with a session that was left open no passkey is made or deleted", async () => {
  const { name, passkey, session, authenticator } = await holder();
  const { state, options } = await askedForSecond(name);
  const { refreshToken } = await auth.passkeySignIn.finishSecond(
    { state, response: authenticator.get(options) },
    HERE,
  );
  bench.clock.aheadMs = RECENT_SIGN_IN_MS + 1_000;
  const { token } = await auth.sessions.refresh(refreshToken, HERE);
  for (const [method, path] of [
    ["POST", "/passkeys/registration"],
    ["DELETE", `/passkeys/${passkey.id}`],
  ] as const) {
    const { status, body } = await call(method, path, token);
    expect([status, body.error?.code]).toEqual([403, "recent_sign_in_required"]);
  }
  expect(await auth.passkeys.list(session.principal.userId)).toHaveLength(1);
});

test("no route about passkeys answers without a session but those that sign in", async () => {
  for (const [method, path] of [
    ["GET", "/passkeys"],
    ["POST", "/passkeys/registration"],
    ["POST", "/passkeys"],
    ["PATCH", "/passkeys/x"],
    ["DELETE", "/passkeys/x"],
    ["DELETE", "/users/root/passkeys"],
  ] as const) {
    expect([method, path, (await call(method, path)).status]).toEqual([method, path, 401]);
  }
  for (const path of ["/session/passkey", "/session/second-factor"]) {
    expect((await call("POST", path, undefined, { state: "x" })).status).toBe(400);
  }
});
