// The way between two machines: how long a packet takes, and whether it arrives at all.
import type { Scheduler } from "./scheduler.ts";
import type { SeededRandom } from "./seeded-random.ts";

export interface LinkOptions {
  /** The least time that a packet takes, ms. */
  delayMinMs: number;
  /** What most packets take more than that: the mean of an exponential distribution, ms. */
  delayMeanMs: number;
  /** Chance that a segment is lost on the way and comes a retransmission later. */
  loss: number;
  bytesPerMs: number;
}

export const LINK_DEFAULTS: LinkOptions = {
  delayMinMs: 0.05,
  delayMeanMs: 0.1,
  loss: 0,
  bytesPerMs: 1_000_000,
};

/** Linux's least time until a lost segment is sent again; doubled with each loss. */
export const RETRANSMIT_MS_MIN = 200;
const LOSSES_MAX = 6;

export class Links {
  private readonly blocked = new Set<string>();
  private readonly cloggedUntil = new Map<string, number>();
  private readonly busyUntil = new Map<string, number>();
  private readonly options = new Map<string, LinkOptions>();
  private readonly random: SeededRandom;

  constructor(
    private readonly scheduler: Scheduler,
    private readonly defaults: LinkOptions,
  ) {
    this.random = scheduler.random("links");
  }

  set(from: string, to: string, options: Partial<LinkOptions>): void {
    this.options.set(way(from, to), { ...this.of(from, to), ...options });
  }

  private of(from: string, to: string): LinkOptions {
    return this.options.get(way(from, to)) ?? this.defaults;
  }

  block(from: string, to: string): void {
    this.blocked.add(way(from, to));
  }

  unblock(from: string, to: string): void {
    this.blocked.delete(way(from, to));
  }

  isBlocked(from: string, to: string): boolean {
    return this.blocked.size > 0 && this.blocked.has(way(from, to));
  }

  clog(from: string, to: string, ms: number): void {
    this.cloggedUntil.set(way(from, to), this.scheduler.now + ms);
  }

  /** Ends partitions and clogs with what queues behind them, and makes every link as the defaults say. */
  heal(): void {
    this.blocked.clear();
    this.cloggedUntil.clear();
    this.busyUntil.clear();
    this.options.clear();
  }

  /** When a packet of `size` bytes that leaves now arrives. The link must not be blocked. */
  arrival(from: string, to: string, size: number): number {
    const { delayMinMs, delayMeanMs, loss, bytesPerMs } = this.of(from, to);
    const key = way(from, to);
    const { now } = this.scheduler;
    let at = Math.max(now, this.cloggedUntil.get(key) ?? 0);
    if (size > 0) {
      at = Math.max(at, this.busyUntil.get(key) ?? 0) + size / bytesPerMs;
      this.busyUntil.set(key, at);
    }
    at += delayMinMs + this.random.exponential(delayMeanMs);
    for (let lost = 0; lost < LOSSES_MAX && this.random.chance(loss); lost++)
      at += RETRANSMIT_MS_MIN * 2 ** lost;
    return at;
  }
}

function way(from: string, to: string): string {
  return `${from}>${to}`;
}
