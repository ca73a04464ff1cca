import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { migrate } from "../../std/db/migrate.ts";
import { silentLog } from "../../std/log.ts";
import { MIGRATIONS } from "./migrations.ts";
import { AuthBench, PASSWORD, refusal, tokenOf } from "./test-auth.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

let bench: AuthBench;
beforeAll(async () => {
  bench = await AuthBench.start();
});
afterAll(() => bench.stop());

test("a database of the first release is taken over: users stay, their sessions end", async () => {
  const sql = await bench.connect("old");
  await migrate(sql, MIGRATIONS.slice(0, 1), silentLog);
  const hash = await Bun.password.hash(PASSWORD, { algorithm: "argon2id", memoryCost: 19_456, timeCost: 2 });
  await sql`
    INSERT INTO users (id, name, password_hash, admin, created)
    VALUES ('u1', 'root', ${hash}, true, now()), ('u2', 'alice', ${hash}, false, now())`;
  await sql`
    INSERT INTO sessions (id, user_id, created, expires)
    VALUES ('s1', 'u1', now(), now() + interval '12 hours')`;
  const { auth } = await bench.open("old");
  expect(await sql`SELECT FROM sessions`).toHaveLength(0);
  expect(await auth.verify(await tokenOf(auth, "root"))).toMatchObject({ name: "root", admin: true });
  expect(await auth.verify(await tokenOf(auth, "alice"))).toMatchObject({ name: "alice", admin: false });
  expect(await refusal(auth.removeUser("root"))).toBe("last_admin");
});
