import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Database } from "../../../std/db/database.ts";
import type { AuthService } from "../service.ts";
import { AuthBench, from, PASSWORD, refusal, signedIn, tokenOf } from "../test-auth.ts";
import { ACCESS_TOKEN_MS } from "./access-tokens.ts";
import { SESSION_IDLE_MS, SESSIONS_PER_USER_MAX } from "./session-store.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

let bench: AuthBench;
let auth: AuthService;
let sql: Database;

beforeAll(async () => {
  bench = await AuthBench.start();
  ({ auth, sql } = await bench.open("main"));
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
  await auth.createUser({ name: "alice", password: PASSWORD });
});

afterEach(() => {
  bench.clock.aheadMs = 0;
});

afterAll(() => bench.stop());

test("the right password gives an access token of 5 minutes and a session of a day that tell who it is", async () => {
  const answer = await signedIn(auth, "Alice", PASSWORD, from("192.0.2.1"));
  expect(answer.user).toMatchObject({ name: "alice", admin: false });
  expect(Math.abs(answer.expiresAt - Date.now() - ACCESS_TOKEN_MS)).toBeLessThan(10_000);
  expect(Math.abs(answer.sessionExpiresAt - Date.now() - SESSION_IDLE_MS)).toBeLessThan(10_000);
  expect(await auth.verify(answer.token)).toEqual(answer.user);
  bench.clock.aheadMs = ACCESS_TOKEN_MS + 1_000;
  expect(await auth.verify(answer.token)).toBeUndefined();
});

test("S20: a wrong password, an unknown, an impossible and a disabled user are answered alike", async () => {
  await auth.createUser({ name: "gone", password: PASSWORD });
  await auth.updateUser("gone", { disabled: true });
  const attempts = [
    auth.signIn("alice", "a wrong guess", from("s1")),
    signedIn(auth, "nobody", PASSWORD, from("s2")),
    signedIn(auth, "no such\u0000name", PASSWORD, from("s3")),
    signedIn(auth, "\u212a", PASSWORD, from("s4")),
    signedIn(auth, "gone", PASSWORD, from("s5")),
    auth.signIn("alice", "x".repeat(5_000), from("s6")),
  ];
  const messages = await Promise.all(
    attempts.map((attempt) => attempt.catch((error: Error) => error.message)),
  );
  expect(new Set(messages)).toEqual(new Set(["The user name or the password is wrong"]));
});

test("S20, E21: an unknown user costs as much time as a wrong password", async () => {
  const timed = async (name: string) => {
    const start = performance.now();
    expect(await refusal(auth.signIn(name, "a wrong guess", from("timing")))).toBe("invalid_credentials");
    return performance.now() - start;
  };
  const known = await timed("alice");
  const unknown = await timed("stranger");
  expect(unknown).toBeGreaterThan(known / 10);
});

test("E08: signing out ends that session only, at once", async () => {
  const [first, second] = [await tokenOf(auth, "alice"), await tokenOf(auth, "alice")];
  const session = await auth.session(first);
  await auth.signOut(session!);
  await auth.signOut(session!);
  expect(await auth.verify(first)).toBeUndefined();
  expect(await auth.verify(second)).toMatchObject({ name: "alice" });
});

test("a restart keeps sessions that live and none that ended", async () => {
  const [kept, ended] = [await tokenOf(auth, "alice"), await tokenOf(auth, "alice")];
  await auth.signOut((await auth.session(ended))!);
  const again = await bench.open("main");
  expect(await again.auth.verify(kept)).toMatchObject({ name: "alice" });
  expect(await again.auth.verify(ended)).toBeUndefined();
});

test("S13: a token of another issuer's configuration is refused", async () => {
  const moved = await bench.open("main", { issuer: "https://new-name.test" });
  expect(await moved.auth.verify(await tokenOf(auth, "alice"))).toBeUndefined();
});

test("S13: a token of another cloud is refused", async () => {
  const other = await bench.open("other");
  await other.auth.ensureAdmin({ name: "alice", password: PASSWORD });
  expect(await auth.verify(await tokenOf(other.auth, "alice"))).toBeUndefined();
});

test("a user has a bounded number of sessions: the oldest make room", async () => {
  await auth.createUser({ name: "busy", password: PASSWORD });
  const tokens: string[] = [];
  for (let n = 0; n <= SESSIONS_PER_USER_MAX; n++) {
    bench.clock.aheadMs = n;
    tokens.push(await tokenOf(auth, "busy"));
  }
  expect(await auth.verify(tokens[0]!)).toBeUndefined();
  expect(await auth.verify(tokens[1]!)).toBeDefined();
  expect(await auth.verify(tokens.at(-1)!)).toBeDefined();
  const [count] =
    await sql`SELECT count(*)::int FROM sessions JOIN users ON user_id = users.id WHERE name = 'busy'`;
  expect(count).toEqual({ count: SESSIONS_PER_USER_MAX });
});

test("a password change that overtakes a sign-in leaves no session of the old password", async () => {
  await auth.createUser({ name: "racer", password: PASSWORD });
  for (let round = 0; round < 5; round++) {
    const [before, after] = round % 2 === 0 ? [PASSWORD, "second password"] : ["second password", PASSWORD];
    const [begun] = await Promise.allSettled([
      signedIn(auth, "racer", before, from("race")),
      auth.setPassword("racer", after),
    ]);
    if (begun.status === "fulfilled") expect(await auth.verify(begun.value.token)).toBeUndefined();
  }
});

test("E21: guessing one user's password from one place is slowed down; others and other places are not", async () => {
  await auth.createUser({ name: "target", password: PASSWORD });
  const guesses = Array.from({ length: 12 }, () =>
    refusal(auth.signIn("target", "a wrong guess", from("203.0.113.9"))),
  );
  const codes = await Promise.all(guesses);
  expect(codes.filter((code) => code === "invalid_credentials")).toHaveLength(10);
  expect(codes.filter((code) => code === "too_many_attempts")).toHaveLength(2);
  // Even the right password: otherwise the answer would tell that it was right.
  const refused = signedIn(auth, "target", PASSWORD, from("203.0.113.9"));
  await expect(refused).rejects.toMatchObject({ code: "too_many_attempts", status: 429 });
  expect((await signedIn(auth, "target", PASSWORD, from("203.0.113.10"))).user.name).toBe("target");
  expect((await signedIn(auth, "alice", PASSWORD, from("203.0.113.9"))).user.name).toBe("alice");
  bench.clock.aheadMs = 31_000;
  expect((await signedIn(auth, "target", PASSWORD, from("203.0.113.9"))).user.name).toBe("target");
});

test("signing in rightly is not limited", async () => {
  for (let n = 0; n < 15; n++) {
    expect((await signedIn(auth, "alice", PASSWORD, from("198.51.100.1"))).user.name).toBe("alice");
  }
});
