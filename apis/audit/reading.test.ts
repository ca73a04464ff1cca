// Looking entries up, exporting and retention, on a real PostgreSQL.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Database } from "../../std/db/database.ts";
import { Chain } from "./chain.ts";
import { type Position, Seal } from "./encoding.ts";
import { AuditError } from "./errors.ts";
import type { AuditFilter } from "./reader.ts";
import type { AuditService } from "./service.ts";
import { AuditBench, event, eventually, SECRET, SetClock } from "./test-audit.ts";
import { type Verdict, verifyChain } from "./verify.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

const DAY_MS = 86_400_000;
let bench: AuditBench;
let audit: AuditService;
const clock = new SetClock();
const start = clock.now();

beforeAll(async () => {
  bench = await AuditBench.start();
  ({ audit } = await bench.open(undefined, clock));
  const bob = { kind: "user", id: "u2", name: "bob" } as const;
  const events = [
    event({ requestId: "a" }),
    event({ requestId: "b", actor: bob, action: "s3:PutObject", resource: "arn:aws:s3:::photos/1" }),
    event({ requestId: "c", actor: bob, action: "s3:PutBucketPolicy", resource: "arn:aws:s3:::photos" }),
    event({
      requestId: "d",
      action: "s3:DeleteObject",
      resource: "arn:aws:s3:::photos/2",
      outcome: "failed",
    }),
    event({ requestId: "e", action: "auth:DeleteUser", outcome: "refused", code: "forbidden" }),
  ];
  for (const one of events) {
    await audit.committed(one);
    clock.forward(1_000);
  }
});

afterAll(() => bench.stop());

async function found(filter: AuditFilter): Promise<string> {
  const { entries } = await audit.entries(filter, { limit: 100 });
  const exported = (await Array.fromAsync(audit.export(filter))).flat();
  expect(exported.map(({ sequence }) => sequence)).toEqual(entries.map(({ sequence }) => sequence).reverse());
  return exported.map(({ requestId }) => requestId).join("");
}

const FILTERS: [AuditFilter, string][] = [
  [{}, "abcde"],
  [{ actor: "u2" }, "bc"],
  [{ actor: "bob" }, "bc"],
  [{ actor: "bo" }, ""],
  [{ action: "s3:PutObject" }, "b"],
  [{ action: "s3:Put*" }, "bc"],
  [{ action: "s3:*" }, "bcd"],
  [{ action: "*" }, "abcde"],
  [{ action: "s3:Put" }, ""],
  [{ resource: "arn:aws:s3:::photos" }, "bcd"],
  [{ resource: "arn:aws:s3:::photos/" }, "bd"],
  [{ resource: "arn:aws:s3:::%" }, ""],
  [{ resource: "arn:aws:s3:::photos_1" }, ""],
  [{ outcome: "refused" }, "e"],
  [{ outcome: "failed" }, "d"],
  [{ requestId: "c" }, "c"],
  [{ since: start + 1_000, until: start + 3_000 }, "bc"],
  [
    { actor: "alice", action: "s3:*", outcome: "failed", resource: "arn:aws:s3:::photos/2", requestId: "d" },
    "d",
  ],
  [{ actor: "alice", action: "s3:PutObject" }, ""],
  [{ actor: "' OR true --" }, ""],
];

test("entries are found by actor, action, resource, outcome, request and time", async () => {
  for (const [filter, ids] of FILTERS) expect([filter, await found(filter)]).toEqual([filter, ids]);
});

test("an entry is told with all its fields", async () => {
  const { entries } = await audit.entries({ requestId: "e" }, { limit: 1 });
  const hash = expect.stringMatching(/^[0-9a-f]{64}$/);
  expect(entries).toEqual([
    {
      sequence: 5,
      time: start + 4_000,
      count: 1,
      actor: { kind: "user", id: "u1", name: "alice", credential: "session:s1" },
      action: "auth:DeleteUser",
      resource: "arn:skerry:auth::u2:user/u2",
      outcome: "refused",
      code: "forbidden",
      source: "192.0.2.1",
      userAgent: "test",
      requestId: "e",
      details: {},
      previousHash: hash,
      hash,
    },
  ]);
});

test("pages go on where the last one ended, to older and to newer entries", async () => {
  const older = await audit.entries({}, { limit: 3 });
  expect(older.entries.map(({ requestId }) => requestId)).toEqual(["e", "d", "c"]);
  const oldest = await audit.entries({}, { limit: 3, before: older.next });
  expect(oldest.entries.map(({ requestId }) => requestId)).toEqual(["b", "a"]);
  expect(oldest.next).toBeUndefined();
  const newer = await audit.entries({ action: "s3:*" }, { limit: 2, after: 1 });
  expect([newer.entries.map(({ requestId }) => requestId), newer.next]).toEqual([["b", "c"], 3]);
  expect((await audit.entries({}, { limit: 9, after: 5 })).entries).toEqual([]);
});

test("an export is what was there when it began, in pages", async () => {
  const { audit: other } = await bench.open();
  await Promise.all(Array.from({ length: 1_234 }, () => other.committed(event())));
  const sequences: number[] = [];
  let pages = 0;
  for await (const page of other.export({})) {
    await other.committed(event({ requestId: "later" }));
    expect(page.length).toBeLessThanOrEqual(500);
    sequences.push(...page.map(({ sequence }) => sequence));
    pages++;
  }
  expect(pages).toBe(3);
  expect(sequences).toEqual(Array.from({ length: 1_234 }, (_, i) => i + 1));
});

test("retention removes the old prefix daily, and what is left still verifies", async () => {
  const time = new SetClock();
  const { audit: log, sql } = await bench.open(undefined, time);
  const write = (count: number) => Promise.all(Array.from({ length: count }, () => log.committed(event())));
  await write(4_500);
  time.forward(200 * DAY_MS);
  await write(3);
  // Of a clock that is behind: what follows it is kept with it.
  time.set(time.now() - 190 * DAY_MS);
  await write(2);
  time.set(time.now() + 190 * DAY_MS);
  expect(await log.retentionDays()).toBe(365);
  expect(await log.applyRetention()).toBe(0);

  await log.setRetentionDays(30);
  expect(await log.retentionDays()).toBe(30);
  time.forward(DAY_MS);
  const [told] = await eventually(async () => {
    const { entries } = await log.entries({ action: "audit:EntriesRemoved" }, { limit: 9 });
    return entries.length > 0 && entries;
  });
  expect(told).toMatchObject({ details: { removed: 4_500, through: 4_500 }, actor: { kind: "system" } });
  expect(await log.verify()).toMatchObject({ sound: true, checked: 6, complete: true });
  const [row] = await sql<{ first: string }[]>`SELECT min(sequence) AS first FROM entries`;
  expect(row!.first).toBe("4501");
  // A position from before then is as good as the checkpoint.
  expect(await log.verify({ from: { sequence: 7, hash: Buffer.alloc(32) } })).toMatchObject({
    sound: true,
    checked: 6,
  });
});

test("all entries may go, and the chain goes on from there", async () => {
  const time = new SetClock();
  const { audit: log } = await bench.open(undefined, time);
  await log.committed(event());
  time.set(time.now() + 366 * DAY_MS);
  expect(await log.applyRetention()).toBe(1);
  expect(await log.committed(event())).toBeGreaterThanOrEqual(2);
  expect((await log.verify()).sound).toBe(true);
});

/** Lets `work` run before the query number `at` of whoever uses `sql`. */
function interrupted(sql: Database, at: number, work: () => Promise<unknown>): Database {
  let queries = 0;
  return new Proxy(sql, {
    apply(target, self, [strings, ...values]: Parameters<Database>) {
      const query = Reflect.apply(target, self, [strings, ...values]);
      // Fragments of a query are not sent by themselves.
      if (!String(strings).trimStart().startsWith("SELECT") || ++queries !== at) return query;
      return work().then(() => query);
    },
  });
}

test("verifying while retention overtakes it is not taken for damage", async () => {
  const time = new SetClock();
  const { audit: log, sql } = await bench.open(undefined, time);
  const write = (count: number) => Promise.all(Array.from({ length: count }, () => log.committed(event())));
  const seal = new Seal(SECRET);
  await write(2_500);
  time.set(time.now() + 366 * DAY_MS);
  await write(700);
  const midway = interrupted(sql, 5, () => log.applyRetention());
  expect(await verifyChain(new Chain(midway, seal))).toMatchObject({ sound: true, complete: true });
  expect((await log.verify()).after).toBe(2_500);

  await write(2_000);
  const { through } = await log.verify();
  time.set(time.now() + 366 * DAY_MS);
  const beyond = interrupted(sql, 5, async () => {
    await write(5);
    time.set(time.now() + 366 * DAY_MS);
    await log.applyRetention();
  });
  const verdict = await verifyChain(new Chain(beyond, seal));
  expect(verdict).toMatchObject({ sound: true, complete: false });
  expect(verdict.through.sequence).toBeGreaterThan(through.sequence);
  expect(await log.verify({ from: positionOf(verdict) })).toMatchObject({ sound: true, complete: true });
});

function positionOf({ through: { sequence, hash } }: Verdict): Position {
  return { sequence, hash: Buffer.from(hash, "hex") };
}

test("what is damaged is not removed, and a setting made by hand removes nothing", async () => {
  const time = new SetClock();
  const { audit: log, sql } = await bench.open(undefined, time);
  for (let n = 0; n < 5; n++) await log.committed(event());
  await sql`INSERT INTO retention VALUES (true, 1, '\\x00')`;
  time.set(time.now() + 366 * DAY_MS);
  const refused = async () => {
    const error = await log.applyRetention().catch((thrown) => thrown);
    return error instanceof AuditError ? [error.code, error.message] : error;
  };
  expect(await refused()).toEqual([
    "audit_damaged",
    expect.stringContaining("changed in the database itself"),
  ]);
  await log.setRetentionDays(30);
  await sql.begin(async (transaction) => {
    await transaction`SET LOCAL session_replication_role = replica`;
    await transaction`UPDATE entries SET actor_id = 'u9' WHERE sequence = 3`;
  });
  expect(await refused()).toEqual(["audit_damaged", expect.stringContaining("entry 3 (altered)")]);
  expect((await log.entries({}, { limit: 9 })).entries.length).toBe(5);
});
