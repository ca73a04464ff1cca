// Checks the chain; see FORMAT.md. Memory is one page, whatever the length of the log.
import type { TransactionSql } from "postgres";
import type { Database } from "../../std/db/database.ts";
import { type Chain, outline } from "./chain.ts";
import { hashEntry, type Position, VERSION } from "./encoding.ts";
import { columns, type EntryRow, storedEntry } from "./rows.ts";

export type Problem =
  | "altered"
  | "unlinked"
  | "missing"
  | "surplus"
  | "unknown_version"
  | "head_unsealed"
  | "checkpoint_unsealed"
  | "head_differs"
  | "anchor_differs";

export interface Verdict {
  sound: boolean;
  /** The first entry that is wrong; present where it is not sound. */
  broken?: { sequence: number; problem: Problem };
  /** Where it began: the sequence of `from`, or of the checkpoint where retention has gone past `from`. */
  after: number;
  /** Entries that were checked and are sound. */
  checked: number;
  /** The last position up to which it is sound; `hash` in hex. */
  through: { sequence: number; hash: string };
  /** False where it stopped at `entriesMax`, or retention has overtaken it: go on with `from: through`. */
  complete: boolean;
}

export interface VerifyOptions {
  /** A position that is known to be right, noted earlier. Default: the checkpoint. */
  from?: Position;
  entriesMax?: number;
}

const PAGE = 1_000;

/** What is wrong at a position, or the position behind all that is right. */
type Walked = { broken: { sequence: number; problem: Problem }; at: Position } | { at: Position };

export async function verifyChain(chain: Chain, options: VerifyOptions = {}): Promise<Verdict> {
  const { sql, seal } = chain;
  const { ends, first, last } = await outline(sql);
  const nowhere = { sequence: 0, hash: Buffer.alloc(0) };
  if (!ends) return broken(nowhere, 0, 0, "head_unsealed");
  const { checkpoint, head } = ends;
  const start = startOf(options.from, checkpoint);
  if (!seal.holds(checkpoint.seal, "checkpoint", checkpoint)) {
    return broken(nowhere, 0, checkpoint.sequence, "checkpoint_unsealed");
  }
  if (first !== undefined && first <= checkpoint.sequence) return broken(nowhere, 0, first, "surplus");
  const anchor = await brokenAnchor(sql, start, checkpoint, head);
  if (anchor) return broken(nowhere, 0, anchor.sequence, anchor.problem);

  const end = Math.min(head.sequence, start.sequence + (options.entriesMax ?? Number.MAX_SAFE_INTEGER));
  const { at, ...walked } = await walk(chain, start, end);
  const checked = at.sequence - start.sequence;
  if ("broken" in walked) return { ...verdictAt(at, checked), sound: false, broken: walked.broken };
  const overtaken = at.sequence > head.sequence;
  if (end < head.sequence || overtaken) return { ...verdictAt(at, checked), complete: false };
  if (!at.hash.equals(head.hash)) return broken(at, checked, head.sequence, "head_differs");
  if (!seal.holds(head.seal, "head", head)) return broken(at, checked, head.sequence, "head_unsealed");
  if (last !== undefined && last > head.sequence) return broken(at, checked, head.sequence + 1, "surplus");
  return verdictAt(at, checked);
}

/** What retention has removed since was right when it went: its last entry is the checkpoint. */
function startOf(from: Position | undefined, checkpoint: Position): Position {
  return from && from.sequence >= checkpoint.sequence ? from : checkpoint;
}

async function brokenAnchor(
  sql: Database,
  start: Position,
  checkpoint: Position,
  head: Position,
): Promise<{ sequence: number; problem: Problem } | undefined> {
  const { sequence, hash } = start;
  if (sequence > head.sequence) return { sequence: head.sequence + 1, problem: "missing" };
  if (sequence === checkpoint.sequence) {
    return hash.equals(checkpoint.hash) ? undefined : { sequence, problem: "anchor_differs" };
  }
  const [row] = await sql<{ hash: Buffer }[]>`SELECT hash FROM entries WHERE sequence = ${sequence}`;
  if (!row) return { sequence, problem: "missing" };
  return row.hash.equals(hash) ? undefined : { sequence, problem: "anchor_differs" };
}

async function walk(chain: Chain, start: Position, end: number): Promise<Walked> {
  let at = start;
  while (at.sequence < end) {
    const step = await walkPage(chain.sql, at, Math.min(end, at.sequence + PAGE));
    if (!("broken" in step)) {
      at = step.at;
      continue;
    }
    // Retention may have gone past this place meanwhile; what it removes it has checked.
    const { ends } = await outline(chain.sql);
    const checkpoint = ends?.checkpoint;
    const removed = checkpoint && checkpoint.sequence > step.at.sequence;
    if (!removed || !chain.seal.holds(checkpoint.seal, "checkpoint", checkpoint)) return step;
    at = checkpoint;
  }
  return { at };
}

/** Checks the entries behind `start` up to the sequence `end`. */
export async function walkPage(
  sql: Database | TransactionSql,
  start: Position,
  end: number,
): Promise<Walked> {
  const rows = await sql<EntryRow[]>`
    SELECT ${columns(sql as Database)} FROM entries
    WHERE sequence > ${start.sequence} AND sequence <= ${end} ORDER BY sequence`;
  let at = start;
  for (const row of rows) {
    const problem = problemOf(row, at);
    if (problem) return { broken: { sequence: at.sequence + 1, problem }, at };
    at = { sequence: at.sequence + 1, hash: row.hash };
  }
  if (at.sequence < end) return { broken: { sequence: at.sequence + 1, problem: "missing" }, at };
  return { at };
}

function problemOf(row: EntryRow, previous: Position): Problem | undefined {
  const entry = storedEntry(row);
  if (entry.sequence !== previous.sequence + 1) return "missing";
  if (entry.version !== VERSION) return "unknown_version";
  if (!hashEntry(entry, { ...previous, hash: entry.previousHash }).equals(entry.hash)) return "altered";
  return entry.previousHash.equals(previous.hash) ? undefined : "unlinked";
}

function verdictAt(at: Position, checked: number): Verdict {
  return {
    sound: true,
    after: at.sequence - checked,
    checked,
    through: { sequence: at.sequence, hash: at.hash.toString("hex") },
    complete: true,
  };
}

function broken(at: Position, checked: number, sequence: number, problem: Problem): Verdict {
  return { ...verdictAt(at, checked), sound: false, broken: { sequence, problem } };
}
