// The lines of a database's section; FORMAT.md has them as a table.
import { z } from "zod";
import { BackupError } from "../../masterd/store/backup-file.ts";

/** A row with a value of 1 MiB may take six times as much when each byte is escaped. */
export const LINE_SIZE_MAX = 8 << 20;

const NEWLINE = 0x0a;
const ROW_BEGINS = 0x5b; // "["

const header = z.strictObject({ migrations: z.array(z.string()) });
const table = z.strictObject({ table: z.string(), columns: z.array(z.string()).min(1) });
const sequence = z.strictObject({ sequence: z.string(), last: z.string() });
const line = z.union([header, table, sequence]);

/** A line that is no row. */
export type Line = z.infer<typeof line>;
export type TableLine = z.infer<typeof table>;

export function encodeLine(content: Line): Buffer {
  return Buffer.from(`${JSON.stringify(content)}\n`);
}

/** What a line says; the text of a row as it is. Throws {@link BackupError}. */
export function decodeLine(bytes: Buffer): Line | { row: string } {
  const text = bytes.toString("utf8");
  if (bytes[0] === ROW_BEGINS) return { row: text };
  try {
    return line.parse(JSON.parse(text));
  } catch (cause) {
    throw new BackupError("a database in it has a line that is not understood: a newer version made it", {
      cause,
    });
  }
}

/** Cuts pieces at their newlines. Throws {@link BackupError} for a line that is too long or has no end. */
export async function* linesOf(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let size = 0;
  for await (const piece of pieces) {
    let from = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, from)) {
      yield Buffer.concat([...held, piece.subarray(from, end)]);
      held = [];
      size = 0;
      from = end + 1;
    }
    // The piece is the reader's again after this turn.
    if (from < piece.length) held.push(Buffer.from(piece.subarray(from)));
    size += piece.length - from;
    if (size > LINE_SIZE_MAX)
      throw new BackupError(`a database in it has a line above ${LINE_SIZE_MAX} bytes`);
  }
  if (size > 0) throw new BackupError("a database in it ends within a line");
}
