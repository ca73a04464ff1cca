import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { delay, systemClock } from "../../../std/clock.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../../std/db/embedded.ts";
import { silentLog } from "../../../std/log.ts";
import { type AuthApp, createAuthApp } from "../app.ts";
import { STALE_MS } from "../change-feed.ts";
import type { AuthService } from "../service.ts";
import { AuthBench, PASSWORD, QuietClock } from "../test-auth.ts";
import { OPERATOR } from "./access.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

let bench: AuthBench;
let auth: AuthService;
let app: AuthApp;
let restarted: EmbeddedPostgres | undefined;

beforeAll(async () => {
  bench = await AuthBench.start();
  ({ auth } = await bench.open());
  app = createAuthApp(auth, silentLog);
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
});

afterAll(async () => {
  await bench.stop();
  await restarted?.stop();
});

test("E03: without the database, decisions go on for the bound, are then refused, and come back with it", async () => {
  const { token } = await auth.apiTokens.create(
    { user: "root" },
    { name: "t", scopes: { "auth.*.*": ["read"] } },
  );
  const get = async () => {
    const headers = { authorization: `Bearer ${token}` };
    const answer = await app.fetch(new Request("https://cloud.test/session", { headers }), {
      source: "192.0.2.1",
    });
    const body = (await answer.json()) as { error?: { code: string } };
    return [answer.status, body.error?.code];
  };
  const root = auth.principalNamed("root");
  expect(await get()).toEqual([200, undefined]);
  await bench.server.stop();
  expect(await get()).toEqual([200, undefined]);
  bench.clock.aheadMs = STALE_MS + 1_000;
  expect(await get()).toEqual([503, "permissions_stale"]);
  expect(() => auth.access.decide(root, "auth:GetUser", auth.places.self(root))).toThrow(
    "not confirmed lately",
  );
  // Who owns the data directory needs no permission that could be stale.
  expect(auth.access.decide(OPERATOR, "auth:GetUser", auth.places.self(root)).allowed).toBe(true);

  restarted = await startEmbeddedPostgres({ directory: bench.server.directory, log: silentLog });
  while (auth.access.freshened() !== undefined) await delay(systemClock, 10);
  expect(await get()).toEqual([200, undefined]);
});

test("a process that hears its own word again is up to date, and reads nothing for it", async () => {
  const clock = new QuietClock();
  const { auth: quiet } = await bench.open("beating", { clock });
  await quiet.ensureAdmin({ name: "root", password: PASSWORD });
  const root = quiet.principalNamed("root");
  const decide = () => quiet.access.decide(root, "auth:GetUser", quiet.places.self(root)).allowed;
  expect(decide()).toBe(true);
  clock.aheadMs = STALE_MS + 1_000;
  expect(decide).toThrow("not confirmed lately");
  clock.beat?.();
  for (let fresh = false; !fresh; await delay(systemClock, 5)) {
    try {
      fresh = decide();
    } catch (error) {
      expect(error).toMatchObject({ code: "permissions_stale" });
    }
  }
});
