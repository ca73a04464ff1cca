import type { ReadStats } from "../chunkd/client/read-stats.ts";
import type { Histogram } from "../std/histogram.ts";
import type { Labels, Metrics } from "../std/metrics.ts";
import type { AuditService } from "./audit/service.ts";
import type { RecentReader } from "./storage/recent-reader.ts";
import type { S3Stats } from "./storage/s3/stats.ts";

export interface Counted {
  s3: S3Stats;
  reads: ReadStats;
  recent: RecentReader;
  audit: Pick<AuditService, "stats">;
}

/** What the APIs of one process tell. */
export function describeApis(metrics: Metrics, { s3, reads, recent, audit }: Counted): void {
  metrics.counter("skerry_s3_requests_total", "S3 requests answered, by operation and status", () =>
    [...s3.answers.entries()].map(([name, count]) => {
      const [operation, status] = name.split(" ") as [string, string];
      return [{ operation, status }, count] as [Labels, number];
    }),
  );
  metrics.histogram(
    "skerry_s3_request_seconds",
    "From a request's headers to its answer's, by operation",
    () => [...s3.seconds].map(([operation, seconds]) => [{ operation }, seconds] as [Labels, Histogram]),
  );
  metrics.counter(
    "skerry_s3_received_bytes_total",
    "Bytes of objects and parts taken in",
    () => s3.receivedBytes,
  );
  metrics.counter("skerry_s3_sent_bytes_total", "Bytes of bodies that answers announced", () => s3.sentBytes);
  metrics.counter("skerry_reads_total", "Records asked for at chunkservers", () => reads.records);
  metrics.counter("skerry_recent_reads_total", "Small objects given from memory", () => recent.hits);
  metrics.gauge("skerry_recent_bytes", "Bytes of small objects in memory", () => recent.heldBytes);
  metrics.counter(
    "skerry_hedged_reads_total",
    "Records asked for at a second replica too",
    () => reads.hedged,
  );
  metrics.counter(
    "skerry_damaged_reads_total",
    "Answers of chunkservers that failed their checksum and were not passed on",
    () => reads.damaged,
  );
  metrics.gauge(
    "skerry_audit_waiting_entries",
    "Audit entries that are not in the database yet",
    () => audit.stats.waiting,
  );
  metrics.counter(
    "skerry_audit_lost_events_total",
    "Events that the audit log could only count",
    () => audit.stats.lost,
  );
}
