// Remembers how far the master had come, and obeys none that has forgotten: to a master whose directory is an older copy,
// chunks that hold acknowledged data look like garbage.
import type { Clock } from "../../std/clock.ts";
import type { Disk } from "../../std/disk.ts";
import type { Log } from "../../std/log.ts";
import type { Connection } from "../protocol/connection.ts";
import { BEGINNING, isBehind, type MasterPoint, masterPoint } from "../protocol/master-point.ts";
import type { ChunkStore } from "../store/chunk-store.ts";
import { ChunkError } from "../store/errors.ts";
import { loadSeenMaster, saveSeenMaster } from "../store/seen-master.ts";

/** A crash forgets so much of what was seen at most, unless a restore came between. */
const SAVE_MS = 5_000;

export interface MasterMemoryEnvironment {
  clock: Clock;
  disk: Disk;
  log: Log;
  store: ChunkStore;
  directory: string;
}

export class MasterMemory {
  /** Connections of masters that were found behind: for good, since such a one may well overtake by new commands. */
  private readonly refused = new WeakSet<Connection>();
  private refusal: string | undefined;
  private saving: Promise<void> = Promise.resolve();
  private savedAt = Number.NEGATIVE_INFINITY;

  private constructor(
    private readonly env: MasterMemoryEnvironment,
    private point: MasterPoint,
    private saved: MasterPoint,
  ) {}

  static async load(env: MasterMemoryEnvironment): Promise<MasterMemory> {
    const point = await loadSeenMaster(env.disk, env.directory, env.log);
    return new MasterMemory(env, point, point);
  }

  /** The furthest that any master has come. */
  get furthest(): MasterPoint {
    return this.point;
  }

  /** Why the present master's commands are refused; undefined while they are not. */
  get problem(): string | undefined {
    return this.refusal;
  }

  /** The master behind `connection` has registered this server, and says how far it has come. */
  meet(connection: Connection, told: unknown): void {
    this.refusal = undefined;
    this.hear(connection, told);
  }

  /** The same again in an answer to a heartbeat. One that says nothing has come nowhere. */
  hear(connection: Connection, told: unknown): void {
    if (this.refused.has(connection)) return;
    const point = masterPoint(told) ?? BEGINNING;
    if (isBehind(point, this.point)) this.refuse(connection, point);
    else this.learn(point);
  }

  /** Throws `MASTER_BEHIND` when `from` is a master that must not change anything here. */
  admit(from: Connection): void {
    if (this.refused.has(from)) throw new ChunkError("MASTER_BEHIND", this.refusal ?? "an older master");
  }

  /** Resolves when what is known is on disk, as far as the disk lets us. */
  async close(): Promise<void> {
    await this.save();
  }

  private refuse(connection: Connection, point: MasterPoint): void {
    this.refused.add(connection);
    this.refusal =
      `the master's directory is an older copy: it is at ${describe(point)}, and this chunkserver has seen ` +
      `${describe(this.point)}. None of its commands is carried out`;
    this.env.log.error(this.refusal);
  }

  private learn(point: MasterPoint): void {
    if (!isBehind(this.point, point)) return;
    const isRestored = point.restoredAt !== this.point.restoredAt;
    this.point = point;
    if (isRestored || this.env.clock.monotonic() - this.savedAt >= SAVE_MS) void this.save();
  }

  /** Saves after the saves before. */
  private save(): Promise<void> {
    const { clock, disk, directory, store, log } = this.env;
    this.savedAt = clock.monotonic();
    this.saving = this.saving.then(async () => {
      const { point } = this;
      if (store.health.failed || !isBehind(this.saved, point)) return;
      try {
        await saveSeenMaster(disk, directory, point);
        this.saved = point;
      } catch (error) {
        const { message } = store.health.writeFailed(error);
        log.warn("what is known of the master was not saved", { error: message });
      }
    });
    return this.saving;
  }
}

function describe({ restoredAt, sequence }: MasterPoint): string {
  return restoredAt === 0 ? `sequence ${sequence}` : `sequence ${sequence} of the restore at ${restoredAt}`;
}
