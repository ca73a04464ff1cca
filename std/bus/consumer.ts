// A durable consumer from its start to its stop. It is worked in turns: a turn begins when this process holds the consumer, and
// ends when the hold is lost, another process has saved its state, or the consumer is stopped.
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Random } from "../random.ts";
import type { Carrier, Hold } from "./carrier.ts";
import { type ConsumerState, Delivery, type Handler, type RetryPolicy } from "./delivery.ts";
import { isBusError } from "./errors.ts";
import { pause } from "./waiting.ts";

/** After a turn that failed. */
const RETRY_MS = 250;

export interface ConsumerOptions {
  /** Durable: who consumes under the same name goes on where the last one stopped. */
  name: string;
  /** Which events, with `*` and `>`. */
  subjects: readonly string[];
  handler: Handler;
  /** Where a name that is new begins: with the oldest event that is kept, or after the newest. "first" when absent. */
  from?: "first" | "now";
  /** Events handled at once, of different subjects; 16 when absent. */
  concurrency?: number;
  /** What a handler may take; then its signal is aborted and the attempt has failed. 30 s when absent. */
  handlerMsMax?: number;
  retry?: Partial<RetryPolicy>;
}

export interface Consumer {
  /** Aborts the handlers that run, waits for them up to 5 s, and lets another process go on at once. */
  stop(): Promise<void>;
}

export interface Surroundings {
  carrier: Carrier;
  clock: Clock;
  random: Random;
  log: Log;
}

export class DurableConsumer implements Consumer {
  private readonly stopping = new AbortController();
  private readonly running: Promise<void>;
  private readonly log: Log;
  /** What this process knows, which may be more than it could save. */
  private known: { state: ConsumerState; revision: number; unsure: string | undefined } | undefined;

  constructor(
    private readonly options: Required<ConsumerOptions> & { retry: RetryPolicy },
    private readonly surroundings: Surroundings,
  ) {
    this.log = surroundings.log.with({ consumer: options.name });
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { carrier, clock } = this.surroundings;
    const { signal } = this.stopping;
    for (;;) {
      const hold = await carrier.hold(this.options.name, signal);
      if (!hold) return;
      try {
        await this.turn(hold);
      } catch (error) {
        this.log.warn("consuming was interrupted; going on", { error: (error as Error).message });
        await pause(clock, RETRY_MS, signal);
      }
      await hold.release();
    }
  }

  /** Rejects with what interrupted it. */
  private async turn(hold: Hold): Promise<void> {
    const { carrier, clock } = this.surroundings;
    const { log } = this;
    const { name, subjects } = this.options;
    const { state, revision, unclean } = await this.load();
    const broken = new AbortController();
    const signal = AbortSignal.any([this.stopping.signal, hold.lost, broken.signal]);
    let delivery: Delivery | undefined;
    const snapshot = (): ConsumerState => delivery?.state(true) ?? { ...state, open: true };
    const saver = new StateSaver({ carrier, clock, log, name, snapshot, signal }, revision);
    // Whoever worked it before and does not know that it lost it cannot save from here on.
    await saver.save();
    const changed = (): void => {
      saver.save().catch((error) => broken.abort(error));
    };
    delivery = new Delivery({
      ...this.options,
      ...this.surroundings,
      consumer: name,
      log: this.log,
      state,
      unclean,
      bury: (letter) => carrier.bury(letter),
      changed,
      saved: () => saver.save(),
    });
    for await (const batch of carrier.follow({
      patterns: subjects,
      after: state.position,
      consumer: name,
      signal,
    })) {
      if (batch.missed > 0 && state.position > 0) {
        this.log.error("events were removed before this consumer read them", { events: batch.missed });
      }
      delivery.offer(batch);
      await delivery.room(signal);
    }
    await delivery.stop();
    await saver.settled();
    this.known = { state: delivery.state(true), revision: saver.revision, unsure: saver.unsure };
    if (broken.signal.aborted) throw broken.signal.reason;
    if (!this.stopping.signal.aborted) throw new Error("the consumer was taken from this process");
    if (!hold.lost.aborted)
      await carrier.saveState(name, JSON.stringify(delivery.state(false)), saver.revision);
  }

  private async load(): Promise<{ state: ConsumerState; revision: number; unclean: boolean }> {
    const { carrier } = this.surroundings;
    const loaded = await carrier.loadState(this.options.name);
    const { known } = this;
    if (known && loaded && (loaded.revision === known.revision || loaded.state === known.unsure)) {
      return { state: known.state, revision: loaded.revision, unclean: false };
    }
    const last = await carrier.last();
    if (!loaded) {
      const position = this.options.from === "now" ? last : 0;
      return { state: { position, done: [], failing: [], open: false }, revision: 0, unclean: false };
    }
    const state = JSON.parse(loaded.state) as ConsumerState;
    const unclean = state.open && known === undefined;
    if (state.position <= last) return { state, revision: loaded.revision, unclean };
    this.log.error("the carrier has lost events, or was replaced; beginning at its end", {
      position: state.position,
      last,
    });
    return { state: { ...state, position: last, done: [], failing: [] }, revision: loaded.revision, unclean };
  }
}

/** Saves a state that changes all the time: one save at a time, each with all that is known when it begins. */
class StateSaver {
  /** A state that was sent, but whose answer was lost. */
  unsure: string | undefined;
  private saving: Promise<void> | undefined;
  private next: Promise<void> | undefined;

  constructor(
    private readonly options: {
      carrier: Carrier;
      clock: Clock;
      log: Log;
      name: string;
      snapshot: () => ConsumerState;
      /** Ends the attempts to save. */
      signal: AbortSignal;
    },
    public revision: number,
  ) {}

  /** Resolves when a save that began after the call is durable; rejects with `fenced`, and when the signal is aborted. */
  save(): Promise<void> {
    this.next ??= this.saveNext();
    return this.next;
  }

  /** Resolves when nothing is being saved any more, whether or not it was. */
  async settled(): Promise<void> {
    await (this.next ?? this.saving)?.catch(() => {});
  }

  private async saveNext(): Promise<void> {
    await this.saving?.catch(() => {});
    this.saving = this.next;
    this.next = undefined;
    const { clock, log, signal } = this.options;
    for (;;) {
      try {
        return await this.saveOnce();
      } catch (error) {
        if (isBusError(error, "fenced") || signal.aborted) throw error;
        log.warn("cannot save what is done; trying again", { error: (error as Error).message });
        await pause(clock, RETRY_MS, signal);
      }
    }
  }

  private async saveOnce(): Promise<void> {
    const { carrier, name, snapshot } = this.options;
    if (this.unsure !== undefined) {
      const found = await carrier.loadState(name);
      if (found?.state === this.unsure) this.revision = found.revision;
    }
    const state = JSON.stringify(snapshot());
    this.unsure = state;
    this.revision = await carrier.saveState(name, state, this.revision);
    this.unsure = undefined;
  }
}
