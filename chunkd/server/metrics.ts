import type { DiskStats } from "../../std/measured-disk.ts";
import type { Metrics } from "../../std/metrics.ts";
import type { ScrubProgress } from "../protocol/messages.ts";
import { describeWire } from "../protocol/wire-metrics.ts";
import type { WireStats } from "../protocol/wire-stats.ts";
import type { ChunkStore } from "../store/chunk-store.ts";
import type { Scrubber } from "./scrubber.ts";

/** Of a connection to the master that is there, or not. */
interface MasterPresence {
  readonly connected: boolean;
}

interface ChunkserverState {
  store: ChunkStore;
  stats: WireStats;
  scrubber: Scrubber;
  /** Absent where it runs without a master. */
  master: MasterPresence | undefined;
}

const PREFIX = "skerry_chunkd";
/** More damaged replicas than this are told as so many. */
const DAMAGED_COUNTED_MAX = 1_000_000;

/** What a chunkserver tells of its store, its wire and its master. */
export function describeChunkserver(
  metrics: Metrics,
  { store, stats, scrubber, master }: ChunkserverState,
): void {
  const { health } = store;
  describeWire(metrics, PREFIX, stats);
  metrics.gauge(`${PREFIX}_disk_total_bytes`, "Size of the file system", () => health.space.totalBytes);
  metrics.gauge(`${PREFIX}_disk_free_bytes`, "What chunks may still take", () => health.space.freeBytes);
  metrics.gauge(`${PREFIX}_disk_failed`, "1 once a write or sync has failed: reads only", () =>
    Number(health.failed),
  );
  metrics.gauge(`${PREFIX}_chunks`, "Replicas held", () => store.handles().length);
  metrics.gauge(
    `${PREFIX}_damaged_replicas`,
    "Replicas that failed a checksum and are not replaced or removed yet",
    () => store.damagedHandles(DAMAGED_COUNTED_MAX).length,
  );
  metrics.counter(`${PREFIX}_damaged_replicas_total`, "Replicas found damaged", () => store.damagedEver);
  describeScrub(metrics, scrubber);
  metrics.gauge(`${PREFIX}_master_connected`, "1 while the master has taken the registration", () =>
    Number(master?.connected ?? true),
  );
}

/** Of the round that runs, or of the last one. */
function describeScrub(metrics: Metrics, scrubber: Scrubber): void {
  const gauge = (name: string, help: string, read: (from: ScrubProgress) => number): void =>
    metrics.gauge(`${PREFIX}_scrub_${name}`, help, () => read(scrubber.progress));
  gauge("done_bytes", "Bytes of chunk files read in this round", ({ doneBytes }) => doneBytes);
  gauge("total_bytes", "Bytes that this round is to read", ({ totalBytes }) => totalBytes);
  gauge("damaged_replicas", "Damaged replicas that it found", ({ damagedFound }) => damagedFound);
  gauge("started_timestamp_seconds", "When it began; 0: never", ({ startedAt }) => startedAt / 1000);
  gauge("finished_timestamp_seconds", "When a round ended last; 0: never", ({ finishedAt }) => {
    return finishedAt / 1000;
  });
}

/** What the process that runs a chunkserver measured of its disk. */
export function describeChunkDisk(metrics: Metrics, disk: DiskStats): void {
  metrics.histogram(`${PREFIX}_sync_seconds`, "Of each fdatasync of a chunk file", () => disk.syncs);
  metrics.counter(`${PREFIX}_disk_written_bytes_total`, "Bytes written to files", () => disk.writtenBytes);
  metrics.counter(`${PREFIX}_disk_read_bytes_total`, "Bytes read from files", () => disk.readBytes);
  metrics.counter(`${PREFIX}_disk_errors_total`, "Failed reads, writes and syncs, by code", () =>
    [...disk.errors.entries()].map(([code, count]) => [{ code }, count]),
  );
}
