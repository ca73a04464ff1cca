import { readdirSync, readFileSync } from "node:fs";
import type { Clock } from "./clock.ts";
import { Histogram } from "./histogram.ts";
import type { Metrics } from "./metrics.ts";

/** How often the event loop is asked how late it is, ms. */
const LAG_PROBE_MS = 250;

interface Build {
  role: string;
  version: string;
}

/** `environment` has the version where the `skerry` command started the role. */
export function buildOf(role: string, environment: Record<string, string | undefined>): Build {
  return { role, version: environment.SKERRY_VERSION ?? "unknown" };
}

/** What every process tells of itself, under the names that dashboards for Prometheus expect. */
export function describeProcess(metrics: Metrics, clock: Clock, build: Build): void {
  const startedAt = (clock.now() - process.uptime() * 1000) / 1000;
  metrics.gauge("skerry_build_info", "Always 1; the labels tell what runs", () => [
    [{ role: build.role, version: build.version, bun: Bun.version }, 1],
  ]);
  metrics.counter("process_cpu_user_seconds_total", "CPU time in user code", () => cpuSeconds("user"));
  metrics.counter("process_cpu_system_seconds_total", "CPU time in the kernel", () => cpuSeconds("system"));
  metrics.gauge("process_resident_memory_bytes", "Resident memory", () => process.memoryUsage.rss());
  metrics.gauge("process_start_time_seconds", "When it started, since the Unix epoch", () => startedAt);
  metrics.gauge("process_open_fds", "Open file descriptors", openFiles);
  metrics.gauge("process_max_fds", "Most file descriptors that it may have open", openFilesMax);
  const lag = new Histogram();
  probe(clock, lag);
  metrics.histogram(
    "skerry_event_loop_lag_seconds",
    `How late a timer ran, asked every ${LAG_PROBE_MS} ms`,
    () => lag,
  );
}

function cpuSeconds(kind: "user" | "system"): number {
  return process.cpuUsage()[kind] / 1e6;
}

function probe(clock: Clock, lag: Histogram): void {
  const dueAt = clock.monotonic() + LAG_PROBE_MS;
  clock.after(LAG_PROBE_MS, () => {
    lag.observe(Math.max(0, clock.monotonic() - dueAt) / 1000);
    probe(clock, lag);
  });
}

/** Undefined where there is no /proc. */
function openFiles(): number | undefined {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return undefined;
  }
}

function openFilesMax(): number | undefined {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
    return limit ? Number(limit[1]) : undefined;
  } catch {
    return undefined;
  }
}
