import { BUS_MIGRATION } from "../../std/bus/outbox.ts";
import type { Migration } from "../../std/db/migrate.ts";

/** The schema of the database `auth`. Times are the service's clock, not the server's. */
export const MIGRATIONS: readonly Migration[] = [
  {
    name: "users, access keys, sessions, signing keys",
    up: `
      CREATE TABLE users (
        id text PRIMARY KEY,
        name text NOT NULL CHECK (name = lower(name)),
        password_hash text NOT NULL,
        admin boolean NOT NULL,
        disabled boolean NOT NULL DEFAULT false,
        created timestamptz NOT NULL
      );
      CREATE UNIQUE INDEX users_name ON users (lower(name));

      -- sealed: the secret, see sealed-box.ts; its context is 'access-key:' and the id.
      CREATE TABLE access_keys (
        access_key_id text PRIMARY KEY,
        user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
        sealed bytea NOT NULL,
        disabled boolean NOT NULL DEFAULT false,
        created timestamptz NOT NULL
      );
      CREATE INDEX access_keys_user ON access_keys (user_id);

      -- A session that was ended is gone: what is not here is not valid.
      CREATE TABLE sessions (
        id text PRIMARY KEY,
        user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
        created timestamptz NOT NULL,
        expires timestamptz NOT NULL
      );
      CREATE INDEX sessions_user ON sessions (user_id, created);
      CREATE INDEX sessions_expires ON sessions (expires);

      -- sealed: the private JWK; its context is 'signing-key:' and the kid.
      CREATE TABLE signing_keys (
        kid text PRIMARY KEY,
        public_jwk jsonb NOT NULL,
        sealed bytea NOT NULL,
        created timestamptz NOT NULL
      );`,
  },
  {
    name: "sessions that are refreshed",
    up: `
      -- What is there has nothing to be refreshed with, and its tokens are of another type: everybody signs in again.
      DELETE FROM sessions;
      -- refresh_seed: see sessions/refresh-tokens.ts; generation: of the newest refresh token, from 0.
      ALTER TABLE sessions
        ADD COLUMN last_used timestamptz NOT NULL,
        ADD COLUMN network text NOT NULL,
        ADD COLUMN user_agent text NOT NULL,
        ADD COLUMN method text NOT NULL,
        ADD COLUMN refresh_seed bytea NOT NULL,
        ADD COLUMN generation integer NOT NULL;`,
  },
  {
    name: "one-time tickets",
    up: `
      -- hash: SHA-256 of the ticket.
      CREATE TABLE tickets (
        hash bytea PRIMARY KEY,
        session_id text NOT NULL REFERENCES sessions ON DELETE CASCADE,
        path text NOT NULL,
        expires timestamptz NOT NULL
      );
      CREATE INDEX tickets_session ON tickets (session_id, expires);
      CREATE INDEX tickets_expires ON tickets (expires);`,
  },
  {
    name: "password resets, sign-up",
    up: `
      -- One a user at most; hash: SHA-256 of its token.
      CREATE TABLE password_resets (
        user_id text PRIMARY KEY REFERENCES users ON DELETE CASCADE,
        hash bytea NOT NULL UNIQUE,
        expires timestamptz NOT NULL
      );

      -- One row, or none while nothing was decided.
      CREATE TABLE account_settings (
        single boolean PRIMARY KEY CHECK (single),
        sign_up boolean NOT NULL
      );`,
  },
  {
    name: "groups, roles, service accounts, API tokens",
    up: `
      -- document: the JSON text of a policy. The built-in roles are not here.
      CREATE TABLE roles (
        name text PRIMARY KEY CHECK (name = lower(name)),
        document text NOT NULL,
        created timestamptz NOT NULL,
        changed timestamptz NOT NULL
      );
      CREATE TABLE groups (
        id text PRIMARY KEY,
        name text NOT NULL UNIQUE CHECK (name = lower(name)),
        created timestamptz NOT NULL
      );
      CREATE TABLE group_members (
        group_id text NOT NULL REFERENCES groups ON DELETE CASCADE,
        user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
        PRIMARY KEY (group_id, user_id)
      );
      CREATE INDEX group_members_user ON group_members (user_id);

      -- owner_id: whose it is; null: the cloud's. boundary: a role's name.
      CREATE TABLE service_accounts (
        id text PRIMARY KEY,
        name text NOT NULL UNIQUE CHECK (name = lower(name)),
        owner_id text REFERENCES users ON DELETE CASCADE,
        disabled boolean NOT NULL DEFAULT false,
        boundary text,
        created timestamptz NOT NULL
      );
      CREATE INDEX service_accounts_owner ON service_accounts (owner_id);

      -- hash: SHA-256 of the token; scopes: JSON text with users by id; parent_id: the token that it was made through.
      CREATE TABLE api_tokens (
        id text PRIMARY KEY,
        hash bytea NOT NULL UNIQUE,
        name text NOT NULL,
        user_id text REFERENCES users ON DELETE CASCADE,
        service_account_id text REFERENCES service_accounts ON DELETE CASCADE,
        parent_id text REFERENCES api_tokens ON DELETE CASCADE,
        scopes text NOT NULL,
        created timestamptz NOT NULL,
        expires timestamptz NOT NULL,
        last_used timestamptz,
        CHECK (num_nonnulls(user_id, service_account_id) = 1)
      );
      CREATE INDEX api_tokens_user ON api_tokens (user_id);
      CREATE INDEX api_tokens_service_account ON api_tokens (service_account_id);
      CREATE INDEX api_tokens_parent ON api_tokens (parent_id);
      CREATE INDEX api_tokens_expires ON api_tokens (expires);
      ALTER TABLE service_accounts ADD COLUMN parent_id text REFERENCES api_tokens ON DELETE CASCADE;
      CREATE INDEX service_accounts_parent ON service_accounts (parent_id);

      ALTER TABLE access_keys
        ALTER COLUMN user_id DROP NOT NULL,
        ADD COLUMN service_account_id text REFERENCES service_accounts ON DELETE CASCADE,
        ADD COLUMN token_id text REFERENCES api_tokens ON DELETE CASCADE,
        ADD COLUMN scopes text,
        ADD CHECK (num_nonnulls(user_id, service_account_id) = 1);
      CREATE INDEX access_keys_service_account ON access_keys (service_account_id);
      CREATE INDEX access_keys_token ON access_keys (token_id);

      CREATE TABLE role_attachments (
        role text NOT NULL,
        user_id text REFERENCES users ON DELETE CASCADE,
        group_id text REFERENCES groups ON DELETE CASCADE,
        service_account_id text REFERENCES service_accounts ON DELETE CASCADE,
        CHECK (num_nonnulls(user_id, group_id, service_account_id) = 1)
      );
      CREATE UNIQUE INDEX role_attachments_role ON role_attachments (role, coalesce(user_id, group_id, service_account_id));
      CREATE INDEX role_attachments_user ON role_attachments (user_id);
      CREATE INDEX role_attachments_group ON role_attachments (group_id);
      CREATE INDEX role_attachments_service_account ON role_attachments (service_account_id);

      INSERT INTO role_attachments (role, user_id)
        SELECT CASE WHEN admin THEN 'admin' ELSE 'member' END, id FROM users;
      ALTER TABLE users DROP COLUMN admin, ADD COLUMN boundary text;
      CREATE VIEW administrators AS
        SELECT user_id FROM role_attachments WHERE role = 'admin' AND user_id IS NOT NULL
        UNION
        SELECT group_members.user_id FROM role_attachments JOIN group_members USING (group_id) WHERE role = 'admin';`,
  },
  {
    name: "passkeys",
    up: `
      -- id: the credential's, base64url; public_key: COSE (RFC 9052).
      CREATE TABLE passkeys (
        id text PRIMARY KEY,
        user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
        name text NOT NULL,
        public_key bytea NOT NULL,
        counter bigint NOT NULL,
        transports text[] NOT NULL,
        backed_up boolean NOT NULL,
        created timestamptz NOT NULL,
        last_used timestamptz
      );
      CREATE INDEX passkeys_user ON passkeys (user_id, created);

      -- What was answered and would open again until it expires; hash: SHA-256 of the challenge.
      CREATE TABLE used_challenges (
        hash bytea PRIMARY KEY,
        user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
        expires timestamptz NOT NULL
      );
      CREATE INDEX used_challenges_user ON used_challenges (user_id);
      CREATE INDEX used_challenges_expires ON used_challenges (expires);`,
  },
  {
    name: "OpenID Connect",
    up: `
      -- sealed: the client secret; its context is 'identity-provider:' and the id.
      CREATE TABLE identity_providers (
        id text PRIMARY KEY,
        name text NOT NULL,
        issuer text NOT NULL,
        client_id text NOT NULL,
        callback_url text NOT NULL,
        sealed bytea NOT NULL,
        created timestamptz NOT NULL
      );
      CREATE TABLE linked_identities (
        id text PRIMARY KEY,
        issuer text NOT NULL,
        subject text NOT NULL,
        user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
        created timestamptz NOT NULL,
        last_used timestamptz,
        UNIQUE (issuer, subject)
      );
      CREATE INDEX linked_identities_user ON linked_identities (user_id, created);`,
  },
  BUS_MIGRATION,
];
