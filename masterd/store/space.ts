// Room for deletes on a full disk: changes that grow the store stop early, and a file of reserve is given up last.
import { join } from "node:path";
import type { Clock } from "../../std/clock.ts";
import type { Disk } from "../../std/disk.ts";
import type { Log } from "../../std/log.ts";
import { MasterError } from "./errors.ts";

/** Below this many free bytes only what frees space is taken. */
const SPACE_MIN = 64 << 20;
/** Enough for the journal and the WAL of some ten thousand deletes. */
const RESERVE_SIZE = 16 << 20;
const CHECK_AFTER_MS = 1_000;
const RESERVE_NAME = "reserve";

export class SpaceGuard {
  /** The disk is nearly or wholly full. */
  full = false;
  private hasReserve = false;
  private checkedAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly env: { clock: Clock; disk: Disk; log: Log },
    private readonly directory: string,
    private readonly spaceMin = SPACE_MIN,
  ) {}

  /** Looks at the disk again when the last look is `ageMs` ago; makes the reserve when there is room for it. */
  async refresh(ageMs = CHECK_AFTER_MS): Promise<void> {
    const { clock, disk, log } = this.env;
    if (clock.monotonic() - this.checkedAtMs < ageMs) return;
    this.checkedAtMs = clock.monotonic();
    const { free } = await disk.space(this.directory);
    const wasFull = this.full;
    this.full = free < this.spaceMin;
    if (this.full && !wasFull) log.error("the master's disk is full: only deletes and reads go on", { free });
    if (!this.full && wasFull) log.info("the master's disk has room again", { free });
    if (!this.hasReserve) await this.takeReserve(free);
  }

  /** Takes over the reserve of an earlier run, or makes one where that does not fill the disk. */
  private async takeReserve(free: number): Promise<void> {
    const path = join(this.directory, RESERVE_NAME);
    if ((await this.reserveSize(path)) === RESERVE_SIZE) this.hasReserve = true;
    else if (free >= this.spaceMin + 2 * RESERVE_SIZE) await this.makeReserve(path);
  }

  private async makeReserve(path: string): Promise<void> {
    const { disk, log } = this.env;
    await disk.remove(path).catch(() => {}); // none, or one whose making was interrupted
    try {
      const file = await disk.open(path, "create");
      try {
        await file.write([Buffer.alloc(RESERVE_SIZE)], 0);
        await file.sync();
      } finally {
        await file.close();
      }
      this.hasReserve = true;
    } catch (error) {
      log.warn("the reserve for a full disk could not be made", { error: String(error) });
      await disk.remove(path).catch(() => {}); // it may not have come to be
    }
  }

  private async reserveSize(path: string): Promise<number> {
    const file = await this.env.disk.open(path, "read").catch(() => undefined);
    if (!file) return 0;
    try {
      return await file.size();
    } finally {
      await file.close();
    }
  }

  /** A write found no space: gives the reserve up. Resolves with whether that freed any. */
  async ranOut(): Promise<boolean> {
    const had = this.hasReserve;
    this.full = true;
    this.hasReserve = false;
    this.checkedAtMs = this.env.clock.monotonic();
    if (had) await this.env.disk.remove(join(this.directory, RESERVE_NAME));
    return had;
  }

  refusal(): MasterError {
    return new MasterError("NO_SPACE", "the master's disk is full: delete objects, or give it more room");
  }
}
