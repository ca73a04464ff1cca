import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { migrate } from "../../../std/db/migrate.ts";
import { silentLog } from "../../../std/log.ts";
import { MIGRATIONS } from "../migrations.ts";
import { AuthBench } from "../test-auth.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

let bench: AuthBench;

beforeAll(async () => {
  bench = await AuthBench.start();
});

afterAll(() => bench.stop());

test("administrators and other users of before get the roles admin and member", async () => {
  const sql = await bench.connect("before");
  const before = MIGRATIONS.findIndex(({ name }) => name.startsWith("groups, roles"));
  await migrate(sql, MIGRATIONS.slice(0, before), silentLog);
  await sql`
    INSERT INTO users (id, name, password_hash, admin, created)
    VALUES ('u1', 'root', '', true, now()), ('u2', 'alice', '', false, now())`;
  const { auth } = await bench.open("before");
  expect(await auth.userWithAccess("root")).toMatchObject({ admin: true, roles: ["admin"] });
  expect(await auth.userWithAccess("alice")).toMatchObject({ admin: false, roles: ["member"] });
  expect(auth.principalNamed("root").admin).toBe(true);
});
