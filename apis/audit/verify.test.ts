// Every attack on the tables that SQL allows, by one who may switch the triggers off.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { TransactionSql } from "postgres";
import { type Database, databaseErrorCode } from "../../std/db/database.ts";
import { hashEntry, type Position } from "./encoding.ts";
import { columns, type EntryRow, storedEntry } from "./rows.ts";
import type { AuditService } from "./service.ts";
import { AuditBench, event } from "./test-audit.ts";
import type { Verdict } from "./verify.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

const ENTRIES = 8;
let bench: AuditBench;
let audit: AuditService;
let sql: Database;
let head: Position;

beforeAll(async () => {
  bench = await AuditBench.start();
  ({ audit, sql } = await bench.open());
  for (let i = 1; i <= ENTRIES; i++) await audit.committed(event({ requestId: `r${i}` }));
  await sql`CREATE TABLE saved AS SELECT * FROM entries`;
  await sql`CREATE TABLE saved_chain AS SELECT * FROM chain`;
  const { through } = await audit.verify();
  head = { sequence: through.sequence, hash: Buffer.from(through.hash, "hex") };
});

afterAll(() => bench.stop());

/** The verdict on what `attack` leaves; then all is as before. */
async function after(attack: (sql: TransactionSql) => Promise<unknown>, from?: Position): Promise<Verdict> {
  const unguarded = (work: (sql: TransactionSql) => Promise<unknown>) =>
    sql.begin(async (transaction) => {
      await transaction`SET LOCAL session_replication_role = replica`;
      await work(transaction);
    });
  await unguarded(attack);
  const verdict = await audit.verify({ from });
  await unguarded(async (transaction) => {
    await transaction`DELETE FROM entries`;
    await transaction`INSERT INTO entries SELECT * FROM saved`;
    await transaction`DELETE FROM chain`;
    await transaction`INSERT INTO chain SELECT * FROM saved_chain`;
  });
  return verdict;
}

/** Makes the hashes from `sequence` on right again, as one who knows the format can. */
async function relink(transaction: TransactionSql, from: number): Promise<void> {
  const rows = await transaction<
    EntryRow[]
  >`SELECT ${columns(transaction as unknown as Database)} FROM entries ORDER BY sequence`;
  let previous: Position | undefined;
  for (const entry of rows.map(storedEntry)) {
    const at: Position = previous ?? { sequence: entry.sequence - 1, hash: entry.previousHash };
    const hash = entry.sequence < from ? entry.hash : hashEntry(entry, at);
    await transaction`UPDATE entries SET previous_hash = ${at.hash}, hash = ${hash} WHERE sequence = ${entry.sequence}`;
    previous = { sequence: entry.sequence, hash };
  }
  await transaction`UPDATE chain SET head_sequence = ${previous!.sequence}, head_hash = ${previous!.hash}`;
}

test("a chain that nobody touched is sound", async () => {
  expect(await audit.verify()).toEqual({
    sound: true,
    after: 0,
    checked: ENTRIES,
    through: { sequence: ENTRIES, hash: head.hash.toString("hex") },
    complete: true,
  });
});

const ALTERATIONS: Record<string, string> = {
  time_ms: "time_ms + 1",
  count: "count + 1",
  actor_kind: "'system'",
  actor_id: "'u9'",
  actor_name: "'bob'",
  credential: "'key:x'",
  action: "'auth:DeleteUser'",
  resource: "resource || 'x'",
  outcome: "'refused'",
  code: "'x'",
  source: "'192.0.2.9'",
  user_agent: "''",
  request_id: "'r'",
  details: "'{ }'",
  previous_hash: "decode(repeat('00', 32), 'hex')",
  hash: "decode(repeat('00', 32), 'hex')",
};

test("an alteration of any column is found where it is", async () => {
  const all = (
    await sql<{ column_name: string }[]>`
    SELECT column_name FROM information_schema.columns WHERE table_name = 'entries'`
  ).map((row) => row.column_name);
  expect([...Object.keys(ALTERATIONS), "sequence", "version"].sort()).toEqual([...all].sort());
  for (const [column, value] of Object.entries(ALTERATIONS)) {
    const verdict = await after((db) =>
      db.unsafe(`UPDATE entries SET ${column} = ${value} WHERE sequence = 4`),
    );
    expect([column, verdict]).toEqual([
      column,
      {
        sound: false,
        broken: { sequence: 4, problem: "altered" },
        after: 0,
        checked: 3,
        through: { sequence: 3, hash: expect.any(String) },
        complete: true,
      },
    ]);
  }
});

const ATTACKS: [
  name: string,
  attack: (db: TransactionSql) => Promise<unknown>,
  sequence: number,
  problem: string,
][] = [
  ["another version", (db) => db`UPDATE entries SET version = 2 WHERE sequence = 4`, 4, "unknown_version"],
  ["the first removed", (db) => db`DELETE FROM entries WHERE sequence = 1`, 1, "missing"],
  ["one removed", (db) => db`DELETE FROM entries WHERE sequence = 4`, 4, "missing"],
  ["the last removed", (db) => db`DELETE FROM entries WHERE sequence = 8`, 8, "missing"],
  ["all removed", (db) => db`DELETE FROM entries`, 1, "missing"],
  [
    "two swapped",
    async (db) => {
      await db`UPDATE entries SET sequence = sequence - 9 WHERE sequence IN (4, 5)`;
      await db`UPDATE entries SET sequence = -sequence WHERE sequence < 0`;
    },
    4,
    "altered",
  ],
  [
    "one removed and the others moved up",
    async (db) => {
      await db`DELETE FROM entries WHERE sequence = 4`;
      await db`UPDATE entries SET sequence = -sequence WHERE sequence > 4`;
      await db`UPDATE entries SET sequence = -sequence - 1 WHERE sequence < 0`;
    },
    4,
    "altered",
  ],
  [
    "one inserted and the others moved down",
    async (db) => {
      await db`UPDATE entries SET sequence = -sequence WHERE sequence >= 4`;
      await db`UPDATE entries SET sequence = -sequence + 1 WHERE sequence < 0`;
      await db`INSERT INTO entries SELECT (jsonb_populate_record(saved, '{"sequence": 4}')).* FROM saved WHERE sequence = 5`;
    },
    4,
    "altered",
  ],
  [
    "one inserted behind the head",
    (db) =>
      db`INSERT INTO entries SELECT (jsonb_populate_record(saved, '{"sequence": 9}')).* FROM saved WHERE sequence = 8`,
    9,
    "surplus",
  ],
  [
    "one inserted before the first",
    (db) =>
      db`INSERT INTO entries SELECT (jsonb_populate_record(saved, '{"sequence": 0}')).* FROM saved WHERE sequence = 1`,
    0,
    "surplus",
  ],
  [
    "one altered, its hash made right",
    async (db) => {
      await db`UPDATE entries SET actor_id = 'u9' WHERE sequence = 4`;
      const [row] = await db<
        EntryRow[]
      >`SELECT ${columns(db as unknown as Database)} FROM entries WHERE sequence = 4`;
      const entry = storedEntry(row!);
      const hash = hashEntry(entry, { sequence: 3, hash: entry.previousHash });
      await db`UPDATE entries SET hash = ${hash} WHERE sequence = 4`;
    },
    5,
    "unlinked",
  ],
  [
    "one altered, and all hashes made right",
    async (db) => {
      await db`UPDATE entries SET actor_id = 'u9' WHERE sequence = 4`;
      await relink(db, 4);
    },
    8,
    "head_unsealed",
  ],
  [
    "the last altered, and all hashes made right but the head's",
    async (db) => {
      await db`UPDATE entries SET actor_id = 'u9' WHERE sequence = 8`;
      await relink(db, 8);
      await db`UPDATE chain SET head_hash = (SELECT head_hash FROM saved_chain)`;
    },
    8,
    "head_differs",
  ],
  [
    "the last removed, and the head set back",
    async (db) => {
      await db`DELETE FROM entries WHERE sequence = 8`;
      await relink(db, 8);
    },
    7,
    "head_unsealed",
  ],
  [
    "a prefix removed, and the checkpoint moved",
    async (db) => {
      await db`UPDATE chain SET checkpoint_sequence = 3, checkpoint_hash = (SELECT hash FROM entries WHERE sequence = 3)`;
      await db`DELETE FROM entries WHERE sequence <= 3`;
    },
    3,
    "checkpoint_unsealed",
  ],
  ["the ends removed", (db) => db`DELETE FROM chain`, 0, "head_unsealed"],
];

for (const [name, attack, sequence, problem] of ATTACKS) {
  test(`${name}: found`, async () => {
    expect(await after(attack)).toMatchObject({ sound: false, broken: { sequence, problem } });
    expect((await audit.verify()).sound).toBe(true);
  });
}

test("a log that was set back with an old seal of its own is found from a position that was noted", async () => {
  const { audit: other, sql: db } = await bench.open();
  for (let i = 0; i < 3; i++) await other.committed(event());
  await db`CREATE TABLE earlier AS SELECT * FROM chain`;
  const { sequence } = (await other.verify()).through;
  await other.committed(event());
  const { through } = await other.verify();
  const noted = { sequence: through.sequence, hash: Buffer.from(through.hash, "hex") };
  await db.begin(async (transaction) => {
    await transaction`SET LOCAL session_replication_role = replica`;
    await transaction`DELETE FROM entries WHERE sequence > ${sequence}`;
    await transaction`DELETE FROM chain`;
    await transaction`INSERT INTO chain SELECT * FROM earlier`;
  });
  expect((await other.verify()).sound).toBe(true);
  expect((await other.verify({ from: noted })).broken).toEqual({ sequence: 4, problem: "missing" });
  await other.committed(event({ requestId: "another history" }));
  expect((await other.verify()).sound).toBe(true);
  expect((await other.verify({ from: noted })).broken).toEqual({ sequence: 4, problem: "anchor_differs" });
});

test("it goes on in steps from where it stopped, and a wrong place is told", async () => {
  const first = await audit.verify({ entriesMax: 5 });
  expect(first).toMatchObject({ sound: true, checked: 5, complete: false, through: { sequence: 5 } });
  const from = { sequence: 5, hash: Buffer.from(first.through.hash, "hex") };
  expect(await audit.verify({ from, entriesMax: 5 })).toMatchObject({
    sound: true,
    checked: 3,
    complete: true,
  });
  const wrong = { sequence: 5, hash: Buffer.alloc(32) };
  expect((await audit.verify({ from: wrong })).broken).toEqual({ sequence: 5, problem: "anchor_differs" });
  const beginning = { sequence: 0, hash: Buffer.alloc(32, 1) };
  expect((await audit.verify({ from: beginning })).broken).toEqual({
    sequence: 0,
    problem: "anchor_differs",
  });
});

test("the database refuses changes to what is written", async () => {
  const refused = async (work: Promise<unknown>) =>
    databaseErrorCode(
      await work.then(
        () => undefined,
        (error) => error,
      ),
    );
  expect(await refused(sql`UPDATE entries SET actor_id = 'u9' WHERE sequence = 4`)).toBe("42501");
  expect(await refused(sql`DELETE FROM entries WHERE sequence = 1`)).toBe("42501");
  expect(await refused(sql`DELETE FROM entries`)).toBe("42501");
  expect(await refused(sql`TRUNCATE entries`)).toBe("42501");
  expect(await refused(sql`DELETE FROM chain`)).toBe("42501");
  expect(await refused(sql`TRUNCATE chain`)).toBe("42501");
  expect(await refused(sql`UPDATE chain SET head_sequence = 7`)).toBe("42501");
  expect(await refused(sql`UPDATE chain SET checkpoint_sequence = -1`)).toBe("42501");
  expect(await refused(sql`UPDATE chain SET checkpoint_sequence = 9`)).toBe("42501");
  expect((await audit.verify()).sound).toBe(true);
});
