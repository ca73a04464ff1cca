import type { Labels, Metrics } from "../../std/metrics.ts";
import type { OperationStats, WireStats } from "./wire-stats.ts";

/** The families of one listener of frames. `prefix`: of the part, e.g. "skerry_chunkd". */
export function describeWire(metrics: Metrics, prefix: string, stats: WireStats): void {
  // Of dozens of operations a part is asked for a few: the others would be thousands of zeros.
  const byOperation = <T>(read: (operation: OperationStats) => T) =>
    [...stats.byOperation()]
      .filter(([, { seconds }]) => seconds.count > 0)
      .map(([operation, each]) => [{ operation }, read(each)] as [Labels, T]);
  metrics.gauge(`${prefix}_connections`, "Connections now, by whether the peer has proved its role", () => [
    [{ state: "peer" }, stats.peers],
    [{ state: "stranger" }, stats.strangers],
  ]);
  metrics.counter(`${prefix}_connections_total`, "Connections taken", () => stats.accepted);
  metrics.counter(`${prefix}_refused_total`, "Requests and connections refused, by reason", () =>
    [...stats.refused.entries()].map(([reason, count]) => [{ reason }, count]),
  );
  metrics.counter(`${prefix}_errors_total`, "Requests that failed otherwise, by code", () =>
    [...stats.failed.entries()].map(([code, count]) => [{ code }, count]),
  );
  metrics.histogram(`${prefix}_request_seconds`, "From a request's arrival to its answer, by operation", () =>
    byOperation(({ seconds }) => seconds),
  );
  metrics.counter(`${prefix}_received_bytes_total`, "Bytes of request bodies, by operation", () =>
    byOperation(({ bytesIn }) => bytesIn),
  );
  metrics.counter(`${prefix}_sent_bytes_total`, "Bytes of answers' bodies, by operation", () =>
    byOperation(({ bytesOut }) => bytesOut),
  );
}
