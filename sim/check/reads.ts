// What a GET gave its client: all of one committed value and nothing else (P2, P5), even where it broke off.
import { contentOf, firstDifference } from "./content.ts";
import type { History } from "./history.ts";
import type { Violation } from "./violation.ts";

/** The record that came with the bytes. */
export interface ReadRecord {
  client: string;
  key: string;
  /** Identity of the value, from the object's metadata. */
  value: string;
  etag: string;
  size: number;
}

/** Checks what the record says against what was written. */
export function checkRecord(history: History, read: ReadRecord): Violation[] {
  const { client, key, value, etag, size } = read;
  const wrong = (what: string): Violation[] => [
    { promise: "P5", what: `${client} read "${key}" and found ${what}`, detail: [JSON.stringify(read)] },
  ];
  const known = history.values.get(value);
  if (!known) return wrong(`the value ${value}, which nobody wrote`);
  if (known.key !== key) return wrong(`the value ${value}, which was written to "${known.key}"`);
  if (known.etag !== undefined && known.etag !== etag)
    return wrong(`the etag ${etag} with the value of ${known.etag}`);
  const expected = history.sizeWith(etag);
  if (expected === undefined) return wrong(`the etag ${etag}, which no content has`);
  return expected === size ? [] : wrong(`a size of ${size} for content of ${expected} bytes`);
}

/**
 * Checks the bytes from `start` on that were given out. `isWhole` is false when the stream broke off: what came before
 * has to be right all the same. `end` is where the client wanted it to end.
 */
export function checkBytes(
  history: History,
  read: ReadRecord,
  bytes: Buffer,
  range: { start: number; end: number },
  isWhole: boolean,
): Violation[] {
  const pieces = history.contentWith(read.etag);
  if (!pieces) return checkRecord(history, read);
  const { client, key, value } = read;
  const wanted = range.end - range.start;
  if (bytes.length > wanted || (isWhole && bytes.length < wanted)) {
    const what = `${client} asked for ${wanted} bytes of "${key}" (${value}) and got ${bytes.length}`;
    return [{ promise: "P5", what, detail: [JSON.stringify({ ...read, ...range })] }];
  }
  const difference = firstDifference(bytes, contentOf(pieces), range.start);
  if (difference === undefined) return [];
  const what = `${client} read "${key}" (${value}) and got bytes that were never written there`;
  return [{ promise: "P2", what, detail: [difference, JSON.stringify({ ...read, ...range })] }];
}
