import { expect } from "bun:test";
import type { Database } from "../db/database.ts";
import { testUpgrades } from "../db/test-upgrades.ts";
import { EVENTS_MIGRATIONS } from "./postgres-schema.ts";

const publish = (sql: Database, ids: string[]) => sql`
  SELECT publish(${ids}::text[], ${ids.map((_, i) => `00000000-0000-4000-8000-00000000000${i}`)}::uuid[],
    ${ids.map(() => "auth.user.u1.updated")}::text[], ${ids.map(() => new Date(0).toISOString())}::timestamptz[],
    ${ids.map(() => "{}")}::text[], ${ids.map(() => null)}::text[])`;

testUpgrades({
  migrations: EVENTS_MIGRATIONS,
  fill: [
    async (sql) => {
      await publish(sql, ["m1", "m2"]);
      await sql`INSERT INTO consumers VALUES ('storage', 4, '{}')`;
      await sql`INSERT INTO dead_letters VALUES ('storage', '00000000-0000-4000-8000-000000000009', '{}')`;
    },
  ],
  async check(sql, filled) {
    const before = filled === 0 ? 0 : 2;
    // What was there is known, and what is new goes on behind it.
    await publish(sql, ["m2", "m3"]);
    const rows = await sql`SELECT sequence, message_id FROM stream WHERE message_id = 'm3'`;
    expect([...rows]).toEqual([{ sequence: String(filled === 0 ? 2 : before + 1), message_id: "m3" }]);
    expect([...(await sql`SELECT last FROM head`)]).toEqual([{ last: String(filled === 0 ? 2 : 3) }]);
  },
});
