// The scrub: in rounds, reads every replica at a bounded rate and marks those that are damaged, so that the master makes
// them again from good ones. It reads through the page cache: what was written lately is compared with memory only.
import type { Clock, Timer } from "../../std/clock.ts";
import type { Disk } from "../../std/disk.ts";
import type { Log } from "../../std/log.ts";
import type { Random } from "../../std/random.ts";
import type { ScrubControlRequest, ScrubControlResponse, ScrubProgress } from "../protocol/messages.ts";
import type { ChunkReader } from "../store/chunk-reader.ts";
import type { ChunkStore } from "../store/chunk-store.ts";
import { ChunkError } from "../store/errors.ts";
import { checkedSize, checkReplica } from "../store/replica-check.ts";
import { isRoundRunning, loadScrubState, type ScrubState, saveScrubState } from "../store/scrub-state.ts";
import { Pace } from "./pace.ts";

/** Progress is saved this often at most: a crash repeats so much reading. */
const SAVE_MS = 60_000;
/** The wall clock is asked this often whether a round is due, so that its jumps matter little. */
const LOOK_MS_MAX = 3_600_000;
/** A process without descriptors to spare is left alone for so long, ms. */
const BUSY_MS = 10_000;
/** Names of strangers in one line of the log. */
const STRANGERS_NAMED_MAX = 5;

export interface ScrubOptions {
  /** 0: no scrub. */
  bytesPerSecond: number;
  /** A round begins at a random time within this after the last ended. */
  periodMs: number;
}

export interface ScrubEnvironment {
  clock: Clock;
  random: Random;
  disk: Disk;
  log: Log;
  store: ChunkStore;
  reader: ChunkReader;
  directory: string;
}

/** Thrown inside of a round to end it where it is. */
class Halted extends Error {}

export class Scrubber {
  private readonly pace: Pace;
  private timer: Timer | undefined;
  private round: Promise<void> | undefined;
  private saving: Promise<void> = Promise.resolve();
  private savedAt = Number.NEGATIVE_INFINITY;
  private closed = false;

  private constructor(
    private readonly env: ScrubEnvironment,
    private readonly options: ScrubOptions,
    private readonly state: ScrubState,
  ) {
    this.pace = new Pace(env.clock, options.bytesPerSecond);
  }

  /** Goes on where the last process stopped. */
  static async start(env: ScrubEnvironment, options: ScrubOptions): Promise<Scrubber> {
    const saved = await loadScrubState(env.disk, env.directory);
    const never = { startedAt: 0, finishedAt: 0, doneBytes: 0, totalBytes: 0, damagedFound: 0 };
    const state = saved ?? { ...never, last: 0, nextAt: 0, paused: false };
    const scrubber = new Scrubber(env, options, state);
    if (!scrubber.isOff) scrubber.begin(saved === undefined);
    return scrubber;
  }

  get progress(): ScrubProgress {
    const { startedAt, finishedAt, doneBytes, totalBytes, damagedFound } = this.state;
    return { startedAt, finishedAt, doneBytes, totalBytes, damagedFound };
  }

  /** Throws `BAD_REQUEST` for anything but `status` where scrubs are off. Resolves when the answer is durable. */
  async control({ action }: ScrubControlRequest): Promise<ScrubControlResponse> {
    if (action !== "status" && this.isOff) {
      throw new ChunkError("BAD_REQUEST", "scrubs are off on this chunkserver (--scrub-mib-per-second 0)");
    }
    if (action === "pause") {
      this.state.paused = true;
      this.timer?.cancel();
      this.pace.wake();
      await this.round;
    } else if (action !== "status") {
      this.state.paused = false;
      if (action === "now" && !isRoundRunning(this.state)) this.openRound();
      this.schedule();
    }
    if (action !== "status") await this.save();
    const { paused, nextAt } = this.state;
    const next = this.isOff || isRoundRunning(this.state) ? 0 : nextAt;
    return { ...this.progress, paused, bytesPerSecond: this.options.bytesPerSecond, nextAt: next };
  }

  async close(): Promise<void> {
    this.closed = true;
    this.timer?.cancel();
    this.pace.close();
    await this.round;
    if (isRoundRunning(this.state)) await this.save();
    await this.saving;
  }

  private get isOff(): boolean {
    return this.options.bytesPerSecond === 0;
  }

  private get isHalted(): boolean {
    return this.closed || this.state.paused || this.env.store.health.failed;
  }

  private begin(isNew: boolean): void {
    if (isNew) {
      this.drawNext();
      void this.save();
    }
    this.schedule();
  }

  private drawNext(): void {
    const { clock, random } = this.env;
    this.state.nextAt = Math.round(clock.now() + random.float() * this.options.periodMs);
  }

  /** Runs the round that is under way or due, or waits for it. */
  private schedule(): void {
    this.timer?.cancel();
    if (this.isHalted || this.round) return;
    const now = this.env.clock.now();
    // The wall clock was set back, or the period made shorter.
    if (this.state.nextAt > now + this.options.periodMs) this.drawNext();
    if (!isRoundRunning(this.state) && this.state.nextAt > now) {
      const wait = Math.min(LOOK_MS_MAX, this.state.nextAt - now);
      this.timer = this.env.clock.after(wait, () => this.schedule());
      return;
    }
    this.round = this.run().finally(() => {
      this.round = undefined;
      this.schedule();
    });
  }

  private openRound(): void {
    const { state, env } = this;
    state.startedAt = Math.max(env.clock.now(), state.finishedAt + 1);
    state.last = 0;
    state.doneBytes = 0;
    state.damagedFound = 0;
    state.totalBytes = this.sizeOf(env.store.handles());
  }

  private async run(): Promise<void> {
    const { state, env } = this;
    if (!isRoundRunning(state)) this.openRound();
    env.log.info("a scrub round runs", { totalBytes: state.totalBytes, doneBytes: state.doneBytes });
    await this.save();
    await this.reportStrangers();
    const handles = env.store.handles().filter((handle) => handle > state.last);
    handles.sort((a, b) => a - b);
    state.totalBytes = state.doneBytes + this.sizeOf(handles);
    for (const handle of handles) {
      if (!(await this.check(handle))) return;
      if (env.clock.monotonic() - this.savedAt >= SAVE_MS) await this.save();
    }
    state.finishedAt = Math.max(env.clock.now(), state.startedAt);
    this.drawNext();
    env.log.info("a scrub round ended", { bytes: state.doneBytes, damagedFound: state.damagedFound });
    await this.save();
  }

  /** Returns false when the round is to stop here. */
  private async check(handle: number): Promise<boolean> {
    const { store, reader } = this.env;
    // Before each wait and behind it: whoever halts the round wakes only those who wait already.
    const assertGoing = (): void => {
      if (this.isHalted) throw new Halted();
    };
    const pacer = async (bytes: number): Promise<void> => {
      assertGoing();
      await this.pace.take(bytes);
      assertGoing();
    };
    for (;;) {
      const size = this.sizeOf([handle]);
      try {
        assertGoing();
        if (await checkReplica(store, reader, handle, pacer)) this.state.damagedFound++;
      } catch (error) {
        if (error instanceof Halted) return false;
        if (!(error instanceof ChunkError)) throw error;
        if (!this.isHalted) await this.pace.rest(BUSY_MS);
        continue;
      }
      this.state.doneBytes += size;
      this.state.last = handle;
      return true;
    }
  }

  private sizeOf(handles: readonly number[]): number {
    let size = 0;
    for (const handle of handles) {
      const chunk = this.env.store.get(handle);
      if (chunk && !chunk.unreadable) size += checkedSize(chunk);
    }
    return size;
  }

  private async reportStrangers(): Promise<void> {
    const { store, log } = this.env;
    // A directory that cannot be listed will show in the replicas themselves.
    const names = await store.strangers().catch(() => []);
    if (names.length === 0) return;
    const named = names.sort().slice(0, STRANGERS_NAMED_MAX).join(" ");
    log.warn("files that are not known lie among the chunk files: they are left alone", {
      count: names.length,
      names: named,
    });
  }

  /** Saves after the saves before. A full disk loses no more than progress; a failing one is failed. */
  private save(): Promise<void> {
    this.savedAt = this.env.clock.monotonic();
    this.saving = this.saving.then(async () => {
      const { disk, directory, store, log } = this.env;
      if (store.health.failed) return;
      try {
        await saveScrubState(disk, directory, this.state);
      } catch (error) {
        const { message } = store.health.writeFailed(error);
        log.warn("the scrub's progress was not saved", { error: message });
      }
    });
    return this.saving;
  }
}
