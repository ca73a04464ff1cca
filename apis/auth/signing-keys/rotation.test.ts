import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import type { Database } from "../../../std/db/database.ts";
import type { AuthService } from "../service.ts";
import { AuthBench, ISSUER, PASSWORD, tokenOf } from "../test-auth.ts";
import { SIGNING_KEY_LEAD_MS, SIGNING_KEY_MS, SIGNING_KEY_TAIL_MS } from "./signing-keys.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

let bench: AuthBench;
let auth: AuthService;
let there: AuthService;
let sql: Database;

beforeAll(async () => {
  bench = await AuthBench.start();
  ({ auth, sql } = await bench.open("main"));
  there = (await bench.open("main")).auth;
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
});

afterAll(() => bench.stop());

const kids = (service: AuthService) => service.jwks().keys.map(({ kid }) => kid);
const signer = async (service: AuthService) => decodeProtectedHeader(await tokenOf(service, "root")).kid;

/** What every process does each minute. */
async function at(ms: number): Promise<void> {
  bench.clock.aheadMs = ms;
  await auth.maintain();
  await there.maintain();
}

test("S13: a key is published before it signs, signs for 30 days, and stays until its last token is over", async () => {
  const [first] = kids(auth);
  expect(kids(there)).toEqual([first!]);
  await at(SIGNING_KEY_MS - 60_000);
  expect(kids(auth)).toEqual([first!]);

  await at(SIGNING_KEY_MS + 1_000);
  const [, second] = kids(auth);
  expect(kids(auth)).toEqual([first!, second!]);
  expect(kids(there)).toEqual([first!, second!]);
  expect(await signer(auth)).toBe(first!);

  await at(SIGNING_KEY_MS + SIGNING_KEY_LEAD_MS - 1_000);
  const old = await tokenOf(auth, "root");
  expect(decodeProtectedHeader(old).kid).toBe(first!);
  await at(SIGNING_KEY_MS + SIGNING_KEY_LEAD_MS + 2_000);
  expect(await signer(auth)).toBe(second!);
  expect(await signer(there)).toBe(second!);
  expect(await there.verify(await tokenOf(auth, "root"))).toMatchObject({ name: "root" });
  expect(await there.verify(old)).toMatchObject({ name: "root" });

  await at(SIGNING_KEY_MS + SIGNING_KEY_LEAD_MS + SIGNING_KEY_TAIL_MS + 2_000);
  expect(kids(auth)).toEqual([second!]);
  expect(kids(there)).toEqual([second!]);
  expect(await auth.verify(old)).toBeUndefined();
  expect(await sql`SELECT kid FROM signing_keys`).toHaveLength(1);
  expect(await auth.verify(await tokenOf(auth, "root"))).toMatchObject({ name: "root" });
});

test("processes that rotate at the same time make one key", async () => {
  const before = kids(auth).length;
  bench.clock.aheadMs += SIGNING_KEY_MS + 1_000;
  await Promise.all([auth.maintain(), there.maintain(), auth.maintain(), there.maintain()]);
  expect(kids(auth)).toHaveLength(before + 1);
  expect(kids(there)).toEqual(kids(auth));
});

test("the published keys alone check the tokens, the older key's too", async () => {
  const published = createLocalJWKSet(auth.jwks());
  const check = (token: string) =>
    jwtVerify(token, published, { issuer: ISSUER, currentDate: new Date(bench.clock.now()) });
  expect((await check(await tokenOf(auth, "root"))).payload.iss).toBe(ISSUER);
});
