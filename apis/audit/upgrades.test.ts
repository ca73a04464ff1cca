import { expect } from "bun:test";
import { systemClock } from "../../std/clock.ts";
import type { Database } from "../../std/db/database.ts";
import { testUpgrades } from "../../std/db/test-upgrades.ts";
import { silentLog } from "../../std/log.ts";
import { Chain } from "./chain.ts";
import { Seal } from "./encoding.ts";
import { entryOf } from "./entry.ts";
import { MIGRATIONS } from "./migrations.ts";
import { createAudit } from "./service.ts";
import { SECRET } from "./test-audit.ts";

const PER_VERSION = 3;
/** Without the service, which would bring the schema to its newest version. */
async function recordSome(sql: Database): Promise<void> {
  const chain = new Chain(sql, new Seal(SECRET));
  await chain.begin();
  const entries = Array.from({ length: PER_VERSION }, (_, i) => {
    const actor = { kind: "user", id: `u${i}` } as const;
    return entryOf({ actor, action: "auth:SignIn", resource: "", outcome: "allowed" }, systemClock.now());
  });
  await chain.append(entries, undefined, () => {});
}

testUpgrades({
  migrations: MIGRATIONS,
  fill: MIGRATIONS.map(() => recordSome),
  async check(sql, filled) {
    const audit = await createAudit({ sql, clusterSecret: SECRET, clock: systemClock, log: silentLog });
    expect(await audit.verify()).toMatchObject({ sound: true, checked: PER_VERSION * filled });
    await audit.close();
  },
});
