import type { Migration } from "../../std/db/migrate.ts";

/** The schema of the database `audit`; see FORMAT.md. Texts compare by their bytes, so that a prefix is a range of an index. */
export const MIGRATIONS: readonly Migration[] = [
  {
    name: "entries, chain, retention",
    up: `
      CREATE TABLE entries (
        sequence bigint PRIMARY KEY,
        version smallint NOT NULL,
        time_ms bigint NOT NULL,
        count bigint NOT NULL,
        actor_kind text COLLATE "C" NOT NULL,
        actor_id text COLLATE "C" NOT NULL,
        actor_name text COLLATE "C" NOT NULL,
        credential text COLLATE "C" NOT NULL,
        action text COLLATE "C" NOT NULL,
        resource text COLLATE "C" NOT NULL,
        outcome text COLLATE "C" NOT NULL,
        code text COLLATE "C" NOT NULL,
        source text COLLATE "C" NOT NULL,
        user_agent text COLLATE "C" NOT NULL,
        request_id text COLLATE "C" NOT NULL,
        details text COLLATE "C" NOT NULL,
        previous_hash bytea NOT NULL,
        hash bytea NOT NULL
      );
      CREATE INDEX entries_actor_id ON entries (actor_id, sequence);
      CREATE INDEX entries_actor_name ON entries (actor_name, sequence);
      CREATE INDEX entries_action ON entries (action, sequence);
      CREATE INDEX entries_resource ON entries (resource, sequence);
      CREATE INDEX entries_outcome ON entries (outcome, sequence) WHERE outcome <> 'allowed';
      CREATE INDEX entries_request ON entries (request_id) WHERE request_id <> '';
      -- Times rise with the rows, nearly: an index of a few pages does.
      CREATE INDEX entries_time ON entries USING brin (time_ms);

      CREATE TABLE chain (
        single boolean PRIMARY KEY CHECK (single),
        checkpoint_sequence bigint NOT NULL,
        checkpoint_hash bytea NOT NULL,
        checkpoint_seal bytea NOT NULL,
        head_sequence bigint NOT NULL,
        head_hash bytea NOT NULL,
        head_seal bytea NOT NULL
      );

      CREATE TABLE retention (
        single boolean PRIMARY KEY CHECK (single),
        days integer NOT NULL,
        seal bytea NOT NULL
      );

      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'the audit log is append-only: % of % is refused', TG_OP, TG_TABLE_NAME
          USING ERRCODE = 'insufficient_privilege';
      END $$;

      CREATE FUNCTION refuse_removal_beyond_checkpoint() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF (SELECT max(sequence) FROM removed) > COALESCE((SELECT checkpoint_sequence FROM chain), 0) THEN
          RAISE EXCEPTION 'the audit log is append-only: entries go behind a checkpoint alone'
            USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NULL;
      END $$;

      CREATE FUNCTION refuse_going_back() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.head_sequence < OLD.head_sequence OR NEW.checkpoint_sequence < OLD.checkpoint_sequence
            OR NEW.checkpoint_sequence > NEW.head_sequence THEN
          RAISE EXCEPTION 'the audit log is append-only: its ends do not go back'
            USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
      END $$;

      CREATE TRIGGER entries_keep BEFORE UPDATE OR TRUNCATE ON entries
        FOR EACH STATEMENT EXECUTE FUNCTION refuse();
      CREATE TRIGGER entries_removal AFTER DELETE ON entries REFERENCING OLD TABLE AS removed
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_removal_beyond_checkpoint();
      CREATE TRIGGER chain_keep BEFORE DELETE OR TRUNCATE ON chain
        FOR EACH STATEMENT EXECUTE FUNCTION refuse();
      CREATE TRIGGER chain_forward BEFORE UPDATE ON chain
        FOR EACH ROW EXECUTE FUNCTION refuse_going_back();`,
  },
];
