// Hands the catalog out piece by piece, as it was at one sequence, while the master goes on. Whoever asked for it and
// then stays away loses it: meanwhile the WAL and the journal grow.
import type { Clock, Timer } from "../../std/clock.ts";
import type { Log } from "../../std/log.ts";
import type { Random } from "../../std/random.ts";
import type { BackupInfo } from "./backup-file.ts";
import { MasterError } from "./errors.ts";
import type { Store, StoreSnapshot } from "./store.ts";

const IDLE_MS_MAX = 60_000;

interface Open {
  id: string;
  snapshot: StoreSnapshot;
  timer: Timer;
}

export class BackupDesk {
  private open: Open | undefined;

  constructor(
    private readonly env: { clock: Clock; random: Random; log: Log },
    private readonly store: Store,
    private readonly clusterId: string,
  ) {}

  /** Rejects with `NOT_READY` while another backup is under way. */
  async begin(): Promise<BackupInfo & { id: string }> {
    const { clock, random, log } = this.env;
    const snapshot = await this.store.snapshot();
    const id = random.bytes(16).toString("hex");
    this.open = { id, snapshot, timer: this.expiry() };
    log.info("a backup began", { sequence: snapshot.sequence, bytes: snapshot.catalog.size });
    const { sequence, counts, catalog } = snapshot;
    return { id, clusterId: this.clusterId, sequence, takenAt: clock.now(), size: catalog.size, ...counts };
  }

  /** `NOT_READY` for a backup that is over, or was given up because nobody read on. */
  async read(id: string, offset: number, length: number): Promise<Uint8Array> {
    const open = this.find(id);
    open.timer.cancel();
    open.timer = this.expiry();
    const bytes = Buffer.allocUnsafe(Math.min(length, Math.max(0, open.snapshot.catalog.size - offset)));
    const count = await open.snapshot.catalog.read(bytes, offset);
    // What was read after the release may be of a later catalog.
    this.find(id);
    return bytes.subarray(0, count);
  }

  end(id: string): void {
    this.find(id);
    this.release();
  }

  private find(id: string): Open {
    if (this.open?.id !== id) throw new MasterError("NOT_READY", "this backup is over: begin another");
    return this.open;
  }

  private expiry(): Timer {
    return this.env.clock.after(IDLE_MS_MAX, () => {
      this.env.log.warn("a backup was given up: nobody read on");
      this.release();
    });
  }

  private release(): void {
    this.open?.timer.cancel();
    this.open?.snapshot.catalog.release();
    this.open = undefined;
  }

  close(): void {
    this.release();
  }
}
