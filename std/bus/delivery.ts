// Hands the events of one consumer to its handler. Invariants:
// - D1 of the events of one subject one is handled at a time, in order; a failed one holds the later ones back until it is done
//   or dead;
// - D2 an event is done when its handler resolved, or when its dead letter is durable;
// - D3 the position never passes an event that is not done.
import type { Clock, Timer } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Random } from "../random.ts";
import { BATCH_EVENTS_MAX, type Batch, type DeadLetter } from "./carrier.ts";
import { type BusEvent, parsedEvent, type StoredEvent } from "./event.ts";
import { Wake } from "./waiting.ts";

/** Events read but not done, of all subjects. One that fails for long may fill it, and hold other subjects up as well. */
export const WINDOW_EVENTS_MAX = 1_000;
const WINDOW_BYTES_MAX = 16 << 20;
/** Reading on through events for others is saved this rarely. */
const UNSAVED_EVENTS_MAX = 1_000;
/** How long handlers are waited for that should have ended with their signal. */
const DRAIN_MS_MAX = 5_000;
const ROOM_POLL_MS = 60_000;
const ERROR_LENGTH_MAX = 2_000;

export interface RetryPolicy {
  /** Between the first attempt and the second; doubled each time, and varied by half. */
  firstMs: number;
  maxMs: number;
  /** Then the event is a dead letter. */
  attemptsMax: number;
}

export const RETRY: RetryPolicy = { firstMs: 500, maxMs: 60_000, attemptsMax: 10 };

export interface Attempt {
  /** Aborted when the process shuts down, when another process may work the consumer by now, and after the handler's time. */
  signal: AbortSignal;
  /** From 1. */
  attempt: number;
}

/** An event is done when what it returns has resolved. May be called again for an event that is done: see handleOnce. */
export type Handler = (event: BusEvent, attempt: Attempt) => unknown;

export interface Failing {
  sequence: number;
  attempts: number;
  /** Ms since the Unix epoch. */
  firstAt: number;
  lastAt: number;
  dueAt: number;
  error: string;
}

/** See FORMAT.md. */
export interface ConsumerState {
  position: number;
  done: number[];
  failing: Failing[];
  open: boolean;
}

export interface DeliveryOptions {
  consumer: string;
  handler: Handler;
  /** Events handled at once, of different subjects. */
  concurrency: number;
  handlerMsMax: number;
  retry: RetryPolicy;
  state: ConsumerState;
  /** An earlier process ended while it handled events, perhaps because of one. */
  unclean: boolean;
  clock: Clock;
  random: Random;
  log: Log;
  bury(letter: DeadLetter): Promise<void>;
  /** Told that {@link Delivery.state} is to be saved soon. */
  changed(): void;
  /** Resolves when the state as it is now is durable. */
  saved(): Promise<void>;
}

interface Entry {
  sequence: number;
  event: StoredEvent;
  done: boolean;
  failing: Failing | undefined;
  /** May have ended its process. */
  suspect: boolean;
}

export class Delivery {
  /** The window, in order; its first entry is not done. */
  private readonly entries: Entry[] = [];
  private bytes = 0;
  private readonly lanes = new Map<string, Entry[]>();
  /** Subjects whose first event may be handled now. */
  private readonly ready: string[] = [];
  private readonly running = new Set<AbortController>();
  private readonly timers = new Set<Timer>();
  private readonly settled = new Wake();
  private readonly earlierDone: Set<number>;
  private readonly earlierFailing: Map<number, Failing>;
  private scanned: number;
  private savedPosition: number;
  private suspectsToCome: number;
  private suspects = 0;
  private stopped = false;

  constructor(private readonly options: DeliveryOptions) {
    const { state, unclean, concurrency } = options;
    this.scanned = state.position;
    this.savedPosition = state.position;
    this.earlierDone = new Set(state.done);
    this.earlierFailing = new Map(state.failing.map((failing) => [failing.sequence, failing]));
    this.suspectsToCome = unclean ? concurrency : 0;
  }

  state(open: boolean): ConsumerState {
    const first = this.entries[0];
    const position = first ? first.sequence - 1 : this.scanned;
    this.savedPosition = position;
    const done = this.entries.filter((entry) => entry.done).map((entry) => entry.sequence);
    const failing = this.entries
      .filter((entry) => !entry.done && entry.failing)
      .map((entry) => entry.failing!);
    return {
      position,
      done: [...done, ...this.earlierDone],
      failing: [...failing, ...this.earlierFailing.values()],
      open,
    };
  }

  offer({ events, scanned }: Batch): void {
    if (this.stopped) return;
    for (const { sequence, event } of events) this.add(sequence, event);
    this.scanned = scanned;
    for (const sequence of this.earlierDone) if (sequence <= scanned) this.earlierDone.delete(sequence);
    for (const sequence of this.earlierFailing.keys())
      if (sequence <= scanned) this.earlierFailing.delete(sequence);
    this.trim();
    if (this.entries.length === 0 && scanned - this.savedPosition > UNSAVED_EVENTS_MAX)
      this.options.changed();
    this.pump();
  }

  private add(sequence: number, event: StoredEvent): void {
    const done = this.earlierDone.has(sequence);
    const suspect = !done && this.suspectsToCome > 0;
    if (suspect) {
      this.suspectsToCome--;
      this.suspects++;
    }
    const entry: Entry = { sequence, event, done, failing: this.earlierFailing.get(sequence), suspect };
    this.entries.push(entry);
    this.bytes += event.json.length;
    if (done) return;
    const lane = this.lanes.get(event.subject);
    if (lane) lane.push(entry);
    else {
      this.lanes.set(event.subject, [entry]);
      this.whenDue(entry);
    }
  }

  /** Resolves when another batch may be offered, or when `signal` is aborted. */
  async room(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { count } = this.settled;
      if (this.entries.length + BATCH_EVENTS_MAX <= WINDOW_EVENTS_MAX && this.bytes <= WINDOW_BYTES_MAX)
        return;
      await this.settled.wait(this.options.clock, count, ROOM_POLL_MS, signal);
    }
  }

  /** Starts nothing any more, aborts the handlers that run, and waits for them a while. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const timer of this.timers) timer.cancel();
    for (const attempt of this.running) attempt.abort();
    const { clock } = this.options;
    const late = new AbortController();
    const timer = clock.after(DRAIN_MS_MAX, () => late.abort());
    while (this.running.size > 0 && !late.signal.aborted) {
      await this.settled.wait(clock, this.settled.count, DRAIN_MS_MAX, late.signal);
    }
    timer.cancel();
  }

  private whenDue(entry: Entry): void {
    const { clock, retry } = this.options;
    // The clock may have been set back since.
    const waitMs = Math.min((entry.failing?.dueAt ?? 0) - clock.now(), 2 * retry.maxMs);
    if (waitMs <= 0) {
      this.ready.push(entry.event.subject);
      return;
    }
    const timer = clock.after(waitMs, () => {
      this.timers.delete(timer);
      this.ready.push(entry.event.subject);
      this.pump();
    });
    this.timers.add(timer);
  }

  private pump(): void {
    const atOnce = this.suspects > 0 ? 1 : this.options.concurrency;
    while (!this.stopped && this.running.size < atOnce) {
      const subject = this.ready.shift();
      if (subject === undefined) return;
      void this.handle(this.lanes.get(subject)![0]!);
    }
  }

  private async handle(entry: Entry): Promise<void> {
    const abort = new AbortController();
    this.running.add(abort);
    try {
      await this.attempt(entry, abort);
    } finally {
      this.running.delete(abort);
    }
    if (entry.suspect && !this.stopped) {
      entry.suspect = false;
      this.suspects--;
    }
    this.proceed(entry);
    this.settled.wake();
    this.pump();
  }

  private async attempt(entry: Entry, abort: AbortController): Promise<void> {
    const { retry, saved } = this.options;
    const before = entry.failing;
    if (before && before.attempts >= retry.attemptsMax) return this.bury(entry, before);
    const attempt = (before?.attempts ?? 0) + 1;
    try {
      if (entry.suspect) {
        entry.failing = this.failing(entry, attempt, "its process ended while it was handled");
        await saved();
      }
      await this.call(entry, attempt, abort);
      entry.done = true;
    } catch (error) {
      // Not its fault, perhaps.
      if (this.stopped) entry.failing = before;
      else await this.fail(entry, attempt, errorText(error));
    }
  }

  private async call({ event }: Entry, attempt: number, abort: AbortController): Promise<void> {
    const { clock, handler, handlerMsMax } = this.options;
    const late = Promise.withResolvers<never>();
    const timer = clock.after(handlerMsMax, () => {
      late.reject(new Error(`The handler took longer than ${handlerMsMax / 1000} s`));
      abort.abort();
    });
    try {
      await Promise.race([handler(parsedEvent(event), { signal: abort.signal, attempt }), late.promise]);
    } finally {
      timer.cancel();
    }
  }

  private failing(entry: Entry, attempts: number, error: string): Failing {
    const { clock, random, retry } = this.options;
    const now = clock.now();
    const waitMs = Math.min(retry.maxMs, retry.firstMs * 2 ** (attempts - 1)) * (0.5 + random.float());
    const firstAt = entry.failing?.firstAt ?? now;
    return { sequence: entry.sequence, attempts, firstAt, lastAt: now, dueAt: now + waitMs, error };
  }

  private async fail(entry: Entry, attempt: number, error: string): Promise<void> {
    const { consumer, log, retry } = this.options;
    const failing = this.failing(entry, attempt, error);
    entry.failing = failing;
    if (attempt >= retry.attemptsMax) return this.bury(entry, failing);
    const { id, subject } = entry.event;
    log.warn("a handler failed; its event is tried again", { consumer, id, subject, attempt, error });
  }

  private async bury(entry: Entry, failing: Failing): Promise<void> {
    const { consumer, clock, log, retry } = this.options;
    const { attempts, firstAt, lastAt, error } = failing;
    const about = { consumer, id: entry.event.id, subject: entry.event.subject, attempts };
    try {
      await this.options.bury({
        consumer,
        event: parsedEvent(entry.event),
        error,
        attempts,
        firstAt,
        lastAt,
      });
      entry.done = true;
      log.error("an event is a dead letter: replay it, or drop it", { ...about, error });
    } catch (reason) {
      entry.failing = { ...failing, dueAt: clock.now() + retry.maxMs };
      log.error("a dead letter cannot be kept; its subject waits", {
        ...about,
        error: (reason as Error).message,
      });
    }
  }

  /** What follows an attempt, done or failed. */
  private proceed(entry: Entry): void {
    if (this.stopped) return;
    if (!entry.done) {
      this.whenDue(entry);
    } else {
      const lane = this.lanes.get(entry.event.subject)!;
      lane.shift();
      if (lane.length === 0) this.lanes.delete(entry.event.subject);
      else this.whenDue(lane[0]!);
      this.trim();
    }
    this.options.changed();
  }

  /** Takes what is done off the window's low end. */
  private trim(): void {
    let done = 0;
    for (; this.entries[done]?.done; done++) this.bytes -= this.entries[done]!.event.json.length;
    this.entries.splice(0, done);
  }
}

function errorText(error: unknown): string {
  return String(error).slice(0, ERROR_LENGTH_MAX);
}
