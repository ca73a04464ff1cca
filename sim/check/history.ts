// What clients did and what they were told, in the one order in which it happened in the simulator's single thread.
import type { Piece } from "./content.ts";
import { md5Of, sizeOf } from "./content.ts";

/** A value that a write makes of a key; its identity is what readers find in the object's metadata. */
export interface Value {
  id: string;
  key: string;
  /** Undefined for a copy whose answer nobody heard: it may be any of the source's. */
  etag: string | undefined;
}

export interface Condition {
  ifMatch?: string;
  ifNoneMatch?: "*";
}

/** What an operation asks for. */
export type Request =
  | { kind: "put"; key: string; value: string; condition?: Condition }
  | { kind: "complete"; key: string; value: string; condition?: Condition }
  | { kind: "delete"; key: string; condition?: Condition }
  | { kind: "get"; key: string }
  | { kind: "head"; key: string }
  | { kind: "copy"; source: string; key: string; value: string; condition?: Condition };

/** What came back. `unknown`: no answer, or one that leaves open whether it was done. */
export type Answer =
  | {
      is: "done" /** Of a copy: the etag. */;
      etag?: string /** Of a delete: whether there was an object. */;
      deleted?: boolean;
    }
  | { is: "found"; value: string; etag: string }
  | { is: "absent" }
  | { is: "condition failed" }
  /** Refused for another reason: nothing was changed, nothing was learned. */
  | { is: "refused"; code: string }
  | { is: "unknown"; code: string };

export interface Entry {
  client: string;
  start: number;
  end: number | undefined;
  /** The same two, in virtual ms. */
  startMs: number;
  endMs: number | undefined;
  request: Request;
  answer: Answer | undefined;
}

/** One page of a listing. */
export interface Page {
  client: string;
  start: number;
  end: number;
  prefix: string;
  delimiter: string | undefined;
  after: string | undefined;
  max: number;
  objects: readonly { key: string; size: number; etag: string }[];
  commonPrefixes: readonly string[];
  next: string | undefined;
}

export class History {
  readonly entries: Entry[] = [];
  readonly pages: Page[] = [];
  readonly values = new Map<string, Value>();
  /** Every key that an operation named. */
  readonly keys = new Set<string>();
  private readonly byKey = new Map<string, Value[]>();
  private readonly pieces = new Map<string, readonly Piece[]>();
  private moment = 0;

  /** `time`: virtual ms. */
  constructor(private readonly time: () => number = () => 0) {}

  /** A moment later than every one before. */
  now(): number {
    return ++this.moment;
  }

  /** Announces content, before anybody writes it. Returns its etag, the MD5 unless `etag` is given. */
  announce(pieces: readonly Piece[], etag = md5Of(pieces)): string {
    this.pieces.set(etag, pieces);
    return etag;
  }

  /** Announces that a write of `key` may make it the value `id`. */
  addValue(id: string, key: string, etag: string | undefined): void {
    const value = { id, key, etag };
    this.values.set(id, value);
    this.byKey.set(key, [...(this.byKey.get(key) ?? []), value]);
    this.keys.add(key);
  }

  /** A copy was answered: what it copied is known now. */
  learnEtag(id: string, etag: string): void {
    this.values.get(id)!.etag = etag;
  }

  /** Identities of the values of `key` that have `etag`, or may turn out to have it. */
  valuesWith(key: string, etag: string): Set<string> {
    const values = (this.byKey.get(key) ?? []).filter((value) => (value.etag ?? etag) === etag);
    return new Set(values.map(({ id }) => id));
  }

  /** The content that has `etag`; undefined when nobody ever wrote such. */
  contentWith(etag: string): readonly Piece[] | undefined {
    return this.pieces.get(etag);
  }

  sizeWith(etag: string): number | undefined {
    const pieces = this.pieces.get(etag);
    return pieces && sizeOf(pieces);
  }

  begin(client: string, request: Request): Entry {
    const startMs = this.time();
    const entry: Entry = {
      client,
      start: this.now(),
      end: undefined,
      startMs,
      endMs: undefined,
      request,
      answer: undefined,
    };
    this.entries.push(entry);
    this.keys.add(request.key);
    if (request.kind === "copy") this.keys.add(request.source);
    return entry;
  }

  /** An operation that is never ended is one whose client died. */
  end(entry: Entry, answer: Answer): void {
    entry.answer = answer;
    entry.end = this.now();
    entry.endMs = this.time();
  }

  addPage(page: Page): void {
    this.pages.push(page);
  }
}
