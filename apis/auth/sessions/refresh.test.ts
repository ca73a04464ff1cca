import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Database } from "../../../std/db/database.ts";
import type { LogFields } from "../../../std/log.ts";
import { silentLog } from "../../../std/log.ts";
import type { AuthService } from "../service.ts";
import { AuthBench, from, PASSWORD, refusal, signedIn } from "../test-auth.ts";
import { ACCESS_TOKEN_MS } from "./access-tokens.ts";
import { REFRESH_GRACE_MS, SESSION_IDLE_MS, SESSION_MS_MAX, SESSIONS_PER_USER_MAX } from "./session-store.ts";
import type { SignedIn } from "./sessions.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

const HERE = from("192.0.2.1");
let bench: AuthBench;
let auth: AuthService;
let sql: Database;
let first: SignedIn;
const warnings: [string, LogFields | undefined][] = [];

beforeAll(async () => {
  bench = await AuthBench.start();
  const log = {
    ...silentLog,
    warn: (message: string, fields?: LogFields) => warnings.push([message, fields]),
  };
  ({ auth, sql } = await bench.open("main", { log }));
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
  await auth.createUser({ name: "alice", password: PASSWORD });
});

beforeEach(async () => {
  first = await signedIn(auth, "alice", PASSWORD, HERE);
});

afterEach(() => {
  bench.clock.aheadMs = 0;
});

afterAll(() => bench.stop());

const refresh = (token: string) => auth.sessions.refresh(token, HERE);

test("a refresh gives new tokens of the same session, and the next refresh again", async () => {
  bench.clock.aheadMs = ACCESS_TOKEN_MS + 1_000;
  expect(await auth.verify(first.token)).toBeUndefined();
  const second = await refresh(first.refreshToken);
  const session = await auth.session(second.token);
  expect(session?.principal).toMatchObject({ name: "alice" });
  expect(second.refreshToken).not.toBe(first.refreshToken);
  const third = await refresh(second.refreshToken);
  expect((await auth.session(third.token))?.id).toBe(session!.id);
});

test("E08: a refresh token that was used before ends the session: holder and thief are out at once", async () => {
  const second = await refresh(first.refreshToken);
  const third = await refresh(second.refreshToken);
  warnings.length = 0;
  expect(await refusal(refresh(first.refreshToken))).toBe("unauthenticated");
  expect(await auth.verify(first.token)).toBeUndefined();
  expect(await auth.verify(third.token)).toBeUndefined();
  expect(await refusal(refresh(third.refreshToken))).toBe("unauthenticated");
  expect(await sql`SELECT FROM sessions WHERE id = ${first.refreshToken.split(".")[1]!}`).toHaveLength(0);
  expect(warnings).toMatchObject([["a refresh token was used twice; its session is ended", {}]]);
  expect(JSON.stringify(warnings)).not.toContain(first.refreshToken);
});

test("a lost answer is given again for a moment: the same token, and only for the one before it", async () => {
  const lost = await refresh(first.refreshToken);
  const again = await refresh(first.refreshToken);
  expect(again.refreshToken).toBe(lost.refreshToken);
  expect(await auth.verify(again.token)).toMatchObject({ name: "alice" });
  bench.clock.aheadMs = REFRESH_GRACE_MS + 1_000;
  expect(await refusal(refresh(first.refreshToken))).toBe("unauthenticated");
  expect(await auth.verify(again.token)).toBeUndefined();
});

test("a thief who is answered within the moment is found with the next refresh of either", async () => {
  const holder = await refresh(first.refreshToken);
  const thief = await refresh(first.refreshToken);
  bench.clock.aheadMs = REFRESH_GRACE_MS + 1_000;
  const next = await refresh(thief.refreshToken);
  bench.clock.aheadMs = 2 * REFRESH_GRACE_MS + 2_000;
  expect(await refusal(refresh(holder.refreshToken))).toBe("unauthenticated");
  expect(await auth.verify(next.token)).toBeUndefined();
});

test("refreshes of one token at the same time all get the same next one", async () => {
  const all = await Promise.all(Array.from({ length: 8 }, () => refresh(first.refreshToken)));
  expect(new Set(all.map(({ refreshToken }) => refreshToken)).size).toBe(1);
  expect(await refresh(all[0]!.refreshToken)).toMatchObject({ user: { name: "alice" } });
});

test("what is no token of the session does not end it", async () => {
  const [prefix, id, , mac] = first.refreshToken.split(".");
  const other = (await signedIn(auth, "root", PASSWORD, HERE)).refreshToken.split(".");
  const forged = [
    "",
    "skr.",
    `${prefix}.${id}.0.${"A".repeat(43)}`,
    `${prefix}.${id}.0.${other[3]}`,
    `${prefix}.${id}.1.${mac}`,
    `${prefix}.${id}.00.${mac}`,
    `${prefix}.${"A".repeat(22)}.0.${mac}`,
    `${first.refreshToken}x`,
    first.token,
  ];
  for (const token of forged) expect(await refusal(refresh(token))).toBe("unauthenticated");
  expect(await refresh(first.refreshToken)).toBeDefined();
});

test("a session is over when it is not refreshed for a day, and after 30 days however often it is", async () => {
  bench.clock.aheadMs = SESSION_IDLE_MS + 1_000;
  expect(await refusal(refresh(first.refreshToken))).toBe("unauthenticated");
  bench.clock.aheadMs = 0;
  let token = (await signedIn(auth, "alice", PASSWORD, HERE)).refreshToken;
  const step = SESSION_IDLE_MS - 60_000;
  for (bench.clock.aheadMs = step; bench.clock.aheadMs < SESSION_MS_MAX; bench.clock.aheadMs += step) {
    const next = await refresh(token);
    expect(next.sessionExpiresAt).toBeLessThan(Date.now() + SESSION_MS_MAX + 1_000);
    token = next.refreshToken;
  }
  expect(await refusal(refresh(token))).toBe("unauthenticated");
});

test("E08: a refresh token of a user who was disabled, removed or got another password is refused", async () => {
  for (const [name, end] of [
    ["disabled", () => auth.updateUser("disabled", { disabled: true })],
    ["removed", () => auth.removeUser("removed")],
    ["changed", () => auth.setPassword("changed", "another password")],
  ] as const) {
    await auth.createUser({ name, password: PASSWORD });
    const { refreshToken } = await signedIn(auth, name, PASSWORD, HERE);
    await end();
    expect(await refusal(refresh(refreshToken))).toBe("unauthenticated");
  }
});

test("a session refreshed in one process is refused its old token in another", async () => {
  const there = (await bench.open("main")).auth;
  const second = await refresh(first.refreshToken);
  expect(await there.verify(second.token)).toMatchObject({ name: "alice" });
  const third = await there.sessions.refresh(second.refreshToken, HERE);
  expect(await refusal(refresh(first.refreshToken))).toBe("unauthenticated");
  expect(await auth.verify(third.token)).toBeUndefined();
});

test("the session that was not used for longest makes room, not one that is refreshed", async () => {
  await auth.createUser({ name: "busy", password: PASSWORD });
  const used = await signedIn(auth, "busy");
  const unused = await signedIn(auth, "busy");
  bench.clock.aheadMs = 1_000;
  const { token } = await refresh(used.refreshToken);
  for (let n = 1; n < SESSIONS_PER_USER_MAX; n++) await signedIn(auth, "busy");
  expect(await auth.verify(token)).toMatchObject({ name: "busy" });
  expect(await auth.verify(unused.token)).toBeUndefined();
});

test("S21, E08: the database holds no refresh token, nor any part of one that could be used", async () => {
  const { refreshToken } = await refresh(first.refreshToken);
  const rows = await sql<{ text: string }[]>`SELECT sessions::text AS text FROM sessions`;
  const mac = Buffer.from(refreshToken.split(".")[3]!, "base64url");
  expect(rows.some(({ text }) => text.includes(refreshToken.split(".")[1]!))).toBe(true);
  for (const { text } of rows) {
    expect(text).not.toContain(refreshToken.split(".")[3]!);
    expect(text).not.toContain(mac.toString("hex"));
  }
});

test("a list tells method, place, program and times, the last used first", async () => {
  const user = await auth.createUser({ name: "lister", password: PASSWORD });
  const old = await signedIn(auth, "lister", PASSWORD, { source: "2001:db8::7", userAgent: "old browser" });
  bench.clock.aheadMs = 60_000;
  await signedIn(auth, "lister", PASSWORD, from("198.51.100.1"));
  bench.clock.aheadMs = 120_000;
  await auth.sessions.refresh(old.refreshToken, { source: "203.0.113.5", userAgent: "browser" });
  const [mostRecent, other, ...rest] = await auth.sessions.list(user.id);
  expect(rest).toEqual([]);
  expect(mostRecent).toMatchObject({
    user: "lister",
    method: "password",
    network: "203.0.113.5",
    userAgent: "browser",
  });
  expect(mostRecent!.lastUsedAt - mostRecent!.createdAt).toBeGreaterThanOrEqual(119_000);
  expect(other).toMatchObject({ network: "198.51.100.1", userAgent: "test" });
});
