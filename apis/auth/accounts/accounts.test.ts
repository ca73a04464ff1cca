import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Database } from "../../../std/db/database.ts";
import { silentLog } from "../../../std/log.ts";
import { createAuthApp } from "../app.ts";
import type { AuthService } from "../service.ts";
import { AuthBench, from, PASSWORD, refusal, signedIn, tokenOf } from "../test-auth.ts";
import { PASSWORD_RESET_MS } from "./password-resets.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

const NEW = "a brand new password";
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
async function user() {
  const name = `user${++serial}`;
  await auth.createUser({ name, password: PASSWORD });
  return name;
}

test("nobody makes an account until an administrator allows it, here and in every process", async () => {
  const there = (await bench.open("main")).auth;
  const account = { name: "early", password: PASSWORD };
  expect(await refusal(auth.signUp.request(account, "198.51.100.1"))).toBe("sign_up_closed");
  await auth.settings.set({ signUp: true });
  await there.signUp.request(account, "198.51.100.1");
  expect((await signedIn(auth, "early", PASSWORD, from("s"))).user).toMatchObject({ admin: false });
  await there.settings.set({ signUp: false });
  expect(await refusal(auth.signUp.request(account, "198.51.100.1"))).toBe("sign_up_closed");
  expect(await auth.settings.get()).toEqual({ signUp: false });
});

test("S20: an answer to a sign-up does not tell whether the name was taken, and takes nothing from its owner", async () => {
  await auth.settings.set({ signUp: true });
  const app = createAuthApp(auth, silentLog);
  const taken = await user();
  const signUp = async (name: string) => {
    const body = JSON.stringify({ name, password: NEW });
    const headers = { "content-type": "application/json" };
    const request = new Request("https://cloud.test/sign-up", { method: "POST", headers, body });
    const answer = await app.fetch(request, { source: "198.51.100.2" });
    return [answer.status, await answer.text()];
  };
  expect(await signUp(taken)).toEqual(await signUp("free"));
  expect(await refusal(signedIn(auth, taken, NEW, from("s")))).toBe("invalid_credentials");
  expect((await signedIn(auth, taken, PASSWORD, from("s"))).user.name).toBe(taken);
  expect((await signedIn(auth, "free", NEW, from("s"))).user.name).toBe("free");
});

test("a sign-up cannot ask for more than an account, nor for a weak password, nor often", async () => {
  await auth.settings.set({ signUp: true });
  const request = (name: string, password = PASSWORD) =>
    auth.signUp.request({ name, password }, "198.51.100.3");
  expect(await refusal(request("weak", "password123"))).toBe("invalid_password");
  expect(await refusal(request("no such name"))).toBe("invalid_name");
  for (let n = 0; n < 3; n++) await request(`often${n}`);
  await expect(request("often3")).rejects.toMatchObject({ code: "too_many_attempts", status: 429 });
  bench.clock.aheadMs = 601_000;
  await request("often3");
});

test("a reset token sets a new password once and ends the sessions of the old one", async () => {
  const name = await user();
  const session = await tokenOf(auth, name);
  const { token, expiresAt } = await auth.passwordResets.create(name.toUpperCase());
  expect(Math.abs(expiresAt - Date.now() - PASSWORD_RESET_MS)).toBeLessThan(10_000);
  expect(await auth.verify(session)).toBeDefined();
  await auth.passwordResets.redeem(token, NEW);
  expect(await auth.verify(session)).toBeUndefined();
  expect(await refusal(signedIn(auth, name, PASSWORD, from("s")))).toBe("invalid_credentials");
  expect((await signedIn(auth, name, NEW, from("s"))).user.name).toBe(name);
  expect(await refusal(auth.passwordResets.redeem(token, PASSWORD))).toBe("invalid_token");
});

test("of many who use one reset token at the same time one sets the password", async () => {
  const name = await user();
  const { token } = await auth.passwordResets.create(name);
  const tries = Array.from({ length: 4 }, (_, n) => auth.passwordResets.redeem(token, `${NEW} ${n}`));
  const done = (await Promise.allSettled(tries)).filter(({ status }) => status === "fulfilled");
  expect(done).toHaveLength(1);
});

test("a weak password does not use the token up", async () => {
  const name = await user();
  const { token } = await auth.passwordResets.create(name);
  for (const weak of ["short", "password123", name]) {
    expect(await refusal(auth.passwordResets.redeem(token, weak))).toBe("invalid_password");
  }
  await auth.passwordResets.redeem(token, NEW);
});

test("a reset token is void after an hour, by a newer one, another password, or for a user who is disabled", async () => {
  const [late, replaced, changed, disabled] = [await user(), await user(), await user(), await user()];
  const tokens = await Promise.all(
    [late, replaced, changed, disabled].map((name) => auth.passwordResets.create(name)),
  );
  bench.clock.aheadMs = PASSWORD_RESET_MS;
  expect(await refusal(auth.passwordResets.redeem(tokens[0]!.token, NEW))).toBe("invalid_token");
  bench.clock.aheadMs = 0;
  await auth.passwordResets.create(replaced);
  await auth.setPassword(changed, `${NEW}!`);
  await auth.updateUser(disabled, { disabled: true });
  for (const { token } of tokens.slice(1)) {
    expect(await refusal(auth.passwordResets.redeem(token, NEW))).toBe("invalid_token");
  }
  const made = "skp.".padEnd(47, "A");
  for (const token of ["", "skp.", made]) {
    expect(await refusal(auth.passwordResets.redeem(token, NEW))).toBe("invalid_token");
  }
});

test("the database does not hold a reset token, and those that are over are removed", async () => {
  const { token } = await auth.passwordResets.create(await user());
  const rows = await sql<{ text: string }[]>`SELECT password_resets::text AS text FROM password_resets`;
  expect(rows.length).toBeGreaterThan(0);
  for (const { text } of rows) {
    expect(text).not.toContain(token.slice(4));
    expect(text).not.toContain(Buffer.from(token.slice(4), "base64url").toString("hex"));
  }
  bench.clock.aheadMs = PASSWORD_RESET_MS + 1_000;
  await auth.maintain();
  expect(await sql`SELECT FROM password_resets`).toHaveLength(0);
});

test("guessing reset tokens from one place is slowed down", async () => {
  const app = createAuthApp(auth, silentLog);
  const guess = async () => {
    const body = JSON.stringify({ token: "skp.".padEnd(47, "A"), password: NEW });
    const headers = { "content-type": "application/json" };
    const request = new Request("https://cloud.test/password-reset", { method: "POST", headers, body });
    return (await app.fetch(request, { source: "198.51.100.9" })).status;
  };
  const statuses = await Promise.all(Array.from({ length: 102 }, guess));
  expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(0);
  expect(statuses.filter((status) => status === 400).length).toBeGreaterThanOrEqual(100);
});
