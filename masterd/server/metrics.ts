import { describeWire } from "../../chunkd/protocol/wire-metrics.ts";
import type { WireStats } from "../../chunkd/protocol/wire-stats.ts";
import type { Tally } from "../../std/histogram.ts";
import type { DiskStats } from "../../std/measured-disk.ts";
import type { Labels, Metrics, Values } from "../../std/metrics.ts";
import type { MasterMethods } from "../protocol/messages.ts";
import type { Store } from "../store/store.ts";

type Status = MasterMethods["status"]["response"];
type Read = (from: Status) => Values;

const PREFIX = "skerry_masterd";

export interface MasterStats {
  wire: WireStats;
  /** Calls over gRPC that were refused, by reason. */
  grpcRefused: Tally;
  store: Pick<Store, "batchSizes">;
  status(): Promise<Status>;
}

/** What the master tells of its wire and its chunks. */
export function describeMaster(metrics: Metrics, { wire, grpcRefused, store, status }: MasterStats): void {
  describeWire(metrics, PREFIX, wire);
  metrics.counter(`${PREFIX}_grpc_refused_total`, "Calls over gRPC refused, by reason", () =>
    [...grpcRefused.entries()].map(([reason, count]) => [{ reason }, count]),
  );
  metrics.histogram(`${PREFIX}_commit_batch_size`, "Commands made durable by one write and sync", () => {
    return store.batchSizes;
  });
  const families = new StatusFamilies(metrics, status);
  describeObjects(families);
  describeReplication(families);
  describeGarbage(families);
  describeServers(families);
}

/** Families over the master's status, which is asked for once for all of them. */
class StatusFamilies {
  /** Undefined while the master does not serve: then they have no values, and alerts on their absence fire. */
  private now: Status | undefined;

  constructor(
    private readonly metrics: Metrics,
    status: () => Promise<Status>,
  ) {
    metrics.prepare(async () => {
      this.now = undefined;
      this.now = await status();
    });
  }

  gauge(name: string, help: string, read: Read): void {
    this.metrics.gauge(`${PREFIX}_${name}`, help, () => this.now && read(this.now));
  }

  counter(name: string, help: string, read: Read): void {
    this.metrics.counter(`${PREFIX}_${name}`, help, () => this.now && read(this.now));
  }
}

function describeObjects(families: StatusFamilies): void {
  families.gauge("buckets", "Buckets", ({ buckets }) => buckets);
  families.gauge("objects", "Objects", ({ objects }) => objects);
  families.gauge("leases", "Chunks that a writer may append to", ({ leases }) => leases);
  families.gauge("journal_bytes", "Journal segments on disk", ({ journal }) => journal.bytes);
  families.counter("commands_total", "Changes ever made durable", ({ journal }) => journal.sequence);
}

function describeReplication(families: StatusFamilies): void {
  families.gauge("chunks", "Chunks, by state", ({ chunks }) => [
    [{ state: "open" }, chunks.open],
    [{ state: "sealed" }, chunks.sealed],
    [{ state: "deleting" }, chunks.deleting],
  ]);
  families.gauge("chunks_by_replicas", "Sealed chunks by how many good replicas they have", ({ chunks }) =>
    chunks.byReplicas.map((count, replicas) => [{ replicas: String(replicas) }, count] as const),
  );
  const under = ({ chunks }: Status) => chunks.underReplicated;
  families.gauge("under_replicated_chunks", "Sealed chunks with fewer than 3 good replicas", under);
  const lacking = ({ chunks }: Status) => chunks.underReplicatedBytes;
  families.gauge("under_replicated_bytes", "Bytes of the replicas that these lack", lacking);
  families.gauge("repair_queue", "Chunks that something can be done for now", ({ repair }) => repair.queued);
  families.gauge("repair_active", "Copies under way", ({ repair }) => repair.active);
  const holding = ({ repair }: Status) => Number(repair.holding);
  families.gauge("repair_holding", "1 while so many servers are away that nothing is copied", holding);
  const copied = ({ repair }: Status) => repair.copiedBytes;
  families.counter("repair_copied_bytes_total", "Bytes copied by repairs, drains and moves", copied);
  const moved = ({ repair }: Status) => repair.rebalancedBytes;
  families.counter("rebalanced_bytes_total", "Of these, by moves to emptier servers", moved);
}

function describeGarbage(families: StatusFamilies): void {
  const { gauge, counter } = bound(families);
  gauge("stored_bytes", "Lengths of sealed chunks, one replica each", ({ garbage }) => garbage.storedBytes);
  gauge("live_bytes", "Of these, what objects refer to", ({ garbage }) => garbage.liveBytes);
  gauge("garbage_bytes", "Of these, what nothing refers to", ({ garbage }) => garbage.deadBytes);
  gauge("compacting_chunks", "Chunks being compacted", ({ garbage }) => garbage.compacting);
  counter("compacted_chunks_total", "Chunks compacted", ({ garbage }) => garbage.compacted);
  counter("compacted_bytes_total", "Bytes that compaction freed", ({ garbage }) => garbage.compactedBytes);
  gauge(
    "orphan_replicas",
    "Replicas of chunks that the master does not know",
    ({ orphans }) => orphans.count,
  );
  gauge("orphan_bytes", "Bytes of these", ({ orphans }) => orphans.bytes);
  const held = ({ orphans }: Status) => Number(orphans.held !== null);
  gauge("orphans_held", "1 while orphans wait for the operator's word", held);
}

function describeServers(families: StatusFamilies): void {
  const { gauge } = bound(families);
  const each =
    (read: (server: Status["servers"][number]) => number): Read =>
    ({ servers }) =>
      servers.map((server) => [{ server: server.id }, read(server)] as [Labels, number]);
  gauge(
    "server_alive",
    "1 while the chunkserver answers",
    each(({ alive }) => Number(alive)),
  );
  gauge(
    "server_disk_failed",
    "1 once its disk has failed",
    each(({ diskFailed }) => Number(diskFailed)),
  );
  gauge(
    "server_chunks",
    "Replicas there",
    each(({ chunks }) => chunks),
  );
  gauge(
    "server_free_bytes",
    "What chunks may still take there",
    each(({ freeBytes }) => freeBytes),
  );
  gauge(
    "server_total_bytes",
    "Size of its file system",
    each(({ totalBytes }) => totalBytes),
  );
  gauge("server_silent_seconds", "Since it was heard last; -1: not yet", each(silentSeconds));
  gauge("server_state", "Always 1; the label tells whether it is in use", ({ servers }) =>
    servers.map(({ id, state }) => [{ server: id, state }, 1] as const),
  );
}

function bound(families: StatusFamilies): Pick<StatusFamilies, "gauge" | "counter"> {
  return { gauge: families.gauge.bind(families), counter: families.counter.bind(families) };
}

function silentSeconds({ lastSeenMs }: Status["servers"][number]): number {
  return lastSeenMs < 0 ? -1 : lastSeenMs / 1000;
}

/** What the process that runs the master measured of its disk: the journal's files, and little else. */
export function describeMasterDisk(metrics: Metrics, disk: DiskStats): void {
  metrics.histogram(`${PREFIX}_journal_sync_seconds`, "Of each fdatasync of the journal", () => disk.syncs);
  metrics.counter(`${PREFIX}_journal_written_bytes_total`, "Bytes written to it", () => disk.writtenBytes);
  metrics.counter(`${PREFIX}_disk_errors_total`, "Failed reads, writes and syncs, by code", () =>
    [...disk.errors.entries()].map(([code, count]) => [{ code }, count]),
  );
}
