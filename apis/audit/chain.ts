// The chain in the database: linking entries to it, and its two sealed ends.
import type { TransactionSql } from "postgres";
import type { Database } from "../../std/db/database.ts";
import { hashEntry, NO_HASH, type Position, type Seal, textsOf, VERSION } from "./encoding.ts";
import type { Entry } from "./entry.ts";
import { AuditError } from "./errors.ts";

/** One end of the chain, as the database has it. */
export interface End extends Position {
  seal: Buffer;
}

export interface Ends {
  checkpoint: End;
  head: End;
}

interface ChainRow {
  checkpointSequence: string;
  checkpointHash: Buffer;
  checkpointSeal: Buffer;
  headSequence: string;
  headHash: Buffer;
  headSeal: Buffer;
}

/** A batch that was sent to the database; an answer that got lost leaves open whether it is there. */
export interface Attempt {
  first: number;
  last: Position;
}

export class Chain {
  constructor(
    readonly sql: Database,
    readonly seal: Seal,
  ) {}

  /** Makes the ends of an empty log. */
  async begin(): Promise<void> {
    const nothing = { sequence: 0, hash: NO_HASH };
    await this.sql`
      INSERT INTO chain
      SELECT true, 0, ${NO_HASH}::bytea, ${this.seal.of("checkpoint", nothing)}::bytea,
             0, ${NO_HASH}::bytea, ${this.seal.of("head", nothing)}::bytea
      WHERE NOT EXISTS (SELECT 1 FROM entries)
      ON CONFLICT DO NOTHING`;
  }

  /**
   * Appends `entries`, durable when it resolves, and returns the sequence of the first. `attempt` is told what is tried, and
   * with the one of a failed call for the same entries they are not appended twice. Throws `audit_damaged`, and what the
   * database throws.
   */
  async append(
    entries: readonly Entry[],
    earlier: Attempt | undefined,
    attempt: (attempt: Attempt) => void,
  ): Promise<number> {
    return this.sql.begin(async (transaction) => {
      // Also waits for the transaction of an earlier attempt to end.
      const { head } = await this.lockedEnds(transaction);
      if (earlier && (await isThere(transaction, earlier.last))) return earlier.first;
      const links = this.link(entries, head);
      const last = links.at(-1)!;
      attempt({ first: head.sequence + 1, last });
      const { sequence, hash } = last;
      // Sent together: neither waits for the other's answer.
      await Promise.all([
        insert(transaction, entries, links, head),
        transaction`
          UPDATE chain SET head_sequence = ${sequence}, head_hash = ${hash},
                           head_seal = ${this.seal.of("head", last)}`,
      ]);
      return head.sequence + 1;
    });
  }

  /** Both ends, locked until the transaction ends. Throws `audit_damaged` where they are gone. */
  async lockedEnds(transaction: TransactionSql): Promise<Ends> {
    const [row] = await transaction<ChainRow[]>`${endsQuery(transaction)} FOR UPDATE`;
    if (row) return endsOf(row);
    throw new AuditError(
      "audit_damaged",
      "The ends of the audit chain are gone from the database: somebody removed them; restore a backup of it",
    );
  }

  private link(entries: readonly Entry[], head: Position): Position[] {
    let previous = head;
    return entries.map((entry) => {
      previous = { sequence: previous.sequence + 1, hash: hashEntry(entry, previous) };
      return previous;
    });
  }
}

/** Both ends and the sequences of the first and last entry, of one moment; undefined ends where they are gone. */
export async function outline(
  sql: Database,
): Promise<{ ends: Ends | undefined; first: number | undefined; last: number | undefined }> {
  type Row = Partial<ChainRow> & { first: string | null; last: string | null };
  const [row] = await sql<Row[]>`
    SELECT ends.*, bounds.* FROM (SELECT min(sequence) AS first, max(sequence) AS last FROM entries) AS bounds
    LEFT JOIN (${endsQuery(sql)}) AS ends ON true`;
  const { first, last, ...ends } = row!;
  return {
    ends: typeof ends.headSequence === "string" ? endsOf(ends as ChainRow) : undefined,
    first: first === null ? undefined : Number(first),
    last: last === null ? undefined : Number(last),
  };
}

function endsQuery(sql: Database | TransactionSql) {
  return sql`
    SELECT checkpoint_sequence AS "checkpointSequence", checkpoint_hash AS "checkpointHash",
           checkpoint_seal AS "checkpointSeal", head_sequence AS "headSequence", head_hash AS "headHash",
           head_seal AS "headSeal"
    FROM chain`;
}

function endsOf(row: ChainRow): Ends {
  return {
    checkpoint: {
      sequence: Number(row.checkpointSequence),
      hash: row.checkpointHash,
      seal: row.checkpointSeal,
    },
    head: { sequence: Number(row.headSequence), hash: row.headHash, seal: row.headSeal },
  };
}

async function isThere(transaction: TransactionSql, { sequence, hash }: Position): Promise<boolean> {
  const [row] = await transaction`SELECT 1 FROM entries WHERE sequence = ${sequence} AND hash = ${hash}`;
  return row !== undefined;
}

function insert(
  transaction: TransactionSql,
  entries: readonly Entry[],
  links: readonly Position[],
  head: Position,
) {
  const hashes = [head, ...links].map(({ hash }) => hash.toString("hex"));
  const texts = entries.map(textsOf);
  const column = (index: number) => texts.map((row) => row[index]!);
  return transaction`
    INSERT INTO entries (
      sequence, version, time_ms, count, actor_kind, actor_id, actor_name, credential, action, resource,
      outcome, code, source, user_agent, request_id, details, previous_hash, hash)
    SELECT sequence, ${VERSION}, time_ms, count, actor_kind, actor_id, actor_name, credential, action, resource,
           outcome, code, source, user_agent, request_id, details, decode(previous_hash, 'hex'), decode(hash, 'hex')
    FROM unnest(
      ${links.map(({ sequence }) => sequence)}::bigint[], ${entries.map(({ time }) => time)}::bigint[],
      ${entries.map(({ count }) => count)}::bigint[], ${column(0)}::text[], ${column(1)}::text[],
      ${column(2)}::text[], ${column(3)}::text[], ${column(4)}::text[], ${column(5)}::text[], ${column(6)}::text[],
      ${column(7)}::text[], ${column(8)}::text[], ${column(9)}::text[], ${column(10)}::text[],
      ${column(11)}::text[], ${hashes.slice(0, -1)}::text[], ${hashes.slice(1)}::text[])
      AS row (sequence, time_ms, count, actor_kind, actor_id, actor_name, credential, action, resource,
              outcome, code, source, user_agent, request_id, details, previous_hash, hash)`;
}
