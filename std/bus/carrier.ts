// What carries events from the outboxes to the consumers and keeps what consumers must not forget. It knows nothing of
// handlers, retries or lanes: those are the same over every carrier (delivery.ts).
import type { BusEvent, StoredEvent } from "./event.ts";

/** Events older, or beyond the size, are removed whether or not every consumer has read them. */
export interface Retention {
  ageMs: number;
  bytes: number;
}

export const RETENTION: Retention = { ageMs: 7 * 86_400_000, bytes: 1 << 30 };

/** Events of one {@link Carrier.publish} and of one batch that is read. */
export const BATCH_EVENTS_MAX = 500;
export const BATCH_BYTES_MAX = 4 << 20;
export const DEAD_LETTERS_MAX = 10_000;

export interface Message {
  /** A message of an id that was published before is not published again. */
  messageId: string;
  event: StoredEvent;
  /** The only consumer it is for. */
  consumer?: string;
}

export interface Sequenced {
  sequence: number;
  event: StoredEvent;
}

export interface Batch {
  /** In the order of their sequences. */
  events: Sequenced[];
  /** Every matching event up to this sequence is in this batch or an earlier one. */
  scanned: number;
  /** Events that retention removed before they were read, of whatever subject. */
  missed: number;
}

export interface DeadLetter {
  consumer: string;
  event: BusEvent;
  /** Of the last attempt. */
  error: string;
  attempts: number;
  /** When the first attempt failed, and the last; ms since the Unix epoch. */
  firstAt: number;
  lastAt: number;
}

/** The right to do something that one process at a time may do. */
export interface Hold {
  /** Aborted when it is known to be lost. It may be lost some seconds before that. */
  lost: AbortSignal;
  release(): Promise<void>;
}

export interface FollowOptions {
  patterns: readonly string[];
  /** The sequence after which to begin. */
  after: number;
  /** Takes what is for this consumer only, too. */
  consumer?: string;
  signal: AbortSignal;
}

export interface Carrier {
  /**
   * Resolves when all are durable. Events of one subject get sequences in the order given; where it rejects, some may be published,
   * and the same call again completes it without changing the order within any subject.
   */
  publish(messages: readonly Message[]): Promise<void>;

  /** The sequence of the newest event; 0 before the first. */
  last(): Promise<number>;

  /** Batches from `after` on until `signal` is aborted; waits for events, and for a carrier that is away. */
  follow(options: FollowOptions): AsyncIterable<Batch>;

  /** Resolves when this process may work that consumer; undefined when `signal` is aborted before. */
  hold(consumer: string, signal: AbortSignal): Promise<Hold | undefined>;

  /** What was saved last, if anything was; its revision goes to the next save. */
  loadState(consumer: string): Promise<{ state: string; revision: number } | undefined>;

  /** Durably replaces the state of `revision`, 0 for the first. Returns the new revision; throws `fenced` when there is another. */
  saveState(consumer: string, state: string, revision: number): Promise<number>;

  /** Keeps a dead letter, in place of one of the same event. Throws `dead_letters_full`. */
  bury(letter: DeadLetter): Promise<void>;

  /** At most `limit` of them by event id, after the event `after`. */
  deadLetters(consumer: string, limit: number, after?: string): Promise<DeadLetter[]>;
  deadLetter(consumer: string, eventId: string): Promise<DeadLetter | undefined>;

  /** Drops this one, but not one that took its place. Whether it was there. */
  dropDeadLetter(letter: DeadLetter): Promise<boolean>;

  /** Ends all that it runs and its own connections. */
  close(): Promise<void>;
}
