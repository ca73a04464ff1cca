import { expect } from "bun:test";
import type { Database } from "../../std/db/database.ts";
import { testUpgrades } from "../../std/db/test-upgrades.ts";
import { MIGRATIONS } from "./migrations.ts";

const run = (statements: string) => (sql: Database) => sql.unsafe(statements);

testUpgrades({
  migrations: MIGRATIONS,
  fill: [
    run(`
      INSERT INTO users (id, name, password_hash, admin, disabled, created) VALUES
        ('u1', 'root', 'hash 1', true, false, '2026-01-01'), ('u2', 'alice', 'hash 2', false, false, '2026-01-02'),
        ('u3', 'ümlaut', 'hash 3', false, true, '2026-01-03');
      INSERT INTO access_keys (access_key_id, user_id, sealed, disabled, created)
        VALUES ('SK1', 'u1', '\\x01', false, now()), ('SK2', 'u2', '\\x02', true, now());
      INSERT INTO sessions (id, user_id, created, expires) VALUES ('s1', 'u1', now(), now() + interval '12 hours');
      INSERT INTO signing_keys VALUES ('kid', '{"kty": "OKP"}', '\\x03', now());`),
    run(`
      INSERT INTO sessions (id, user_id, created, expires, last_used, network, user_agent, method, refresh_seed, generation)
      VALUES ('s2', 'u2', now(), now() + interval '12 hours', now(), '192.0.2.0/24', 'test', 'password', '\\x04', 3)`),
    run("INSERT INTO tickets VALUES ('\\x05', 's2', '/api/events/tail', now() + interval '1 minute')"),
    run(`
      INSERT INTO password_resets VALUES ('u2', '\\x06', now() + interval '1 hour');
      INSERT INTO account_settings VALUES (true, true)`),
    run(`
      INSERT INTO roles VALUES ('reader', '{}', now(), now());
      INSERT INTO groups VALUES ('g1', 'readers', now());
      INSERT INTO group_members VALUES ('g1', 'u2');
      INSERT INTO service_accounts (id, name, owner_id, created) VALUES ('a1', 'robot', 'u2', now()), ('a2', 'ours', NULL, now());
      INSERT INTO api_tokens (id, hash, name, user_id, scopes, created, expires)
        VALUES ('t1', '\\x07', 'ci', 'u2', '{}', now(), now() + interval '90 days');
      INSERT INTO api_tokens (id, hash, name, service_account_id, parent_id, scopes, created, expires)
        VALUES ('t2', '\\x08', 'narrower', 'a1', 't1', '{}', now(), now() + interval '1 day');
      UPDATE service_accounts SET parent_id = 't1' WHERE id = 'a1';
      INSERT INTO access_keys (access_key_id, service_account_id, token_id, sealed, created) VALUES ('SK3', 'a1', 't1', '\\x09', now());
      INSERT INTO role_attachments VALUES ('reader', NULL, 'g1', NULL), ('reader', NULL, NULL, 'a2')`),
    run(`
      INSERT INTO passkeys VALUES ('pk', 'u2', 'key', '\\x0a', 5, ARRAY['usb'], false, now(), NULL);
      INSERT INTO used_challenges VALUES ('\\x0b', 'u2', now() + interval '5 minutes')`),
    run(`
      INSERT INTO identity_providers VALUES ('p1', 'Example', 'https://id.example', 'skerry', 'https://cloud.test/cb', '\\x0c', now());
      INSERT INTO linked_identities VALUES ('l1', 'https://id.example', 'subject', 'u2', now(), NULL)`),
    run(`
      INSERT INTO outbox (id, subject, time, data)
        VALUES ('00000000-0000-4000-8000-000000000001', 'auth.user.u2.updated', now(), '{}');
      INSERT INTO handled_events (consumer, event_id) VALUES ('storage', '00000000-0000-4000-8000-000000000002')`),
  ],
  givenUp: { "sessions that are refreshed": ["sessions"] },
  async check(sql, filled) {
    const users = await sql`SELECT id FROM users ORDER BY id`;
    expect(users.map(({ id }) => id)).toEqual(filled > 0 ? ["u1", "u2", "u3"] : []);
    // What was a column once is a role now: nobody gained it, nobody lost it.
    const admins = await sql`SELECT user_id FROM administrators`;
    expect(admins.map(({ user_id }) => user_id)).toEqual(filled > 0 ? ["u1"] : []);
    const members = await sql`SELECT user_id FROM role_attachments WHERE role = 'member' ORDER BY user_id`;
    expect(members.map(({ user_id }) => user_id)).toEqual(filled > 0 ? ["u2", "u3"] : []);
    expect(await sql`SELECT FROM sessions WHERE id = 's1'`).toHaveLength(0);
  },
});
