import type { Labels, Metrics } from "../std/metrics.ts";
import type { AccessLog } from "./http/access-log.ts";

/** What the gateway tells of its listeners. */
export function describeEdge(metrics: Metrics, log: AccessLog): void {
  metrics.counter("skerry_edge_requests_total", "Requests answered, by listener and status", () =>
    [...log.requests.entries()].map(([name, count]) => {
      const [listener, status] = name.split(" ") as [string, string];
      return [{ listener, status }, count] as [Labels, number];
    }),
  );
}
