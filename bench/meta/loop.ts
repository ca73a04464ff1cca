import { readFileSync } from "node:fs";

/** Clock ticks of /proc/<pid>/stat in a second: the same on every Linux of today. */
const TICKS_PER_SECOND = 100;

export interface CaseResult {
  where: string;
  name: string;
  /** Commits, look-ups or listed keys. */
  count: number;
  seconds: number;
  perSecond: number;
  /** Of single calls (a list's call is a page), ms. */
  p50: number;
  p99: number;
  p999: number;
  /** Of the master's process for one of `count`, µs: what a busy machine does not change. */
  cpuMicros: number;
}

export interface Shape {
  where: string;
  name: string;
  seconds: number;
  workers: number;
  /** The master's process. */
  pid: number;
}

/** `workers` callers, each with one call in flight, until the time is over. `call` returns what it did. */
export async function closedLoop(
  shape: Shape,
  call: (index: number) => Promise<number>,
): Promise<CaseResult> {
  const latencies: number[] = [];
  let next = 0;
  let count = 0;
  const cpuBefore = cpuSeconds(shape.pid);
  const startedMs = performance.now();
  const endMs = startedMs + shape.seconds * 1_000;
  const worker = async (): Promise<void> => {
    for (let nowMs = performance.now(); nowMs < endMs; ) {
      const done = await call(next++);
      count += done;
      const doneMs = performance.now();
      latencies.push(doneMs - nowMs);
      nowMs = doneMs;
    }
  };
  await Promise.all(Array.from({ length: shape.workers }, worker));
  const seconds = (performance.now() - startedMs) / 1_000;
  const cpuMicros = ((cpuSeconds(shape.pid) - cpuBefore) * 1e6) / Math.max(1, count);
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? 0;
  const { where, name } = shape;
  const perSecond = count / seconds;
  return { where, name, count, seconds, perSecond, p50: at(0.5), p99: at(0.99), p999: at(0.999), cpuMicros };
}

/** User and system time of a process, all its threads, s. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Bytes of memory that a process has now, and the most it ever had. */
export function residentBytes(pid: number): { now: number; most: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const of = (name: string): number => 1024 * Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0);
  return { now: of("VmRSS"), most: of("VmHWM") };
}

export function caseTable(results: readonly CaseResult[]): string {
  const heads = ["where", "what", "per second", "p50 ms", "p99 ms", "p99.9 ms", "CPU µs"];
  const rows = results.map(({ where, name, perSecond, p50, p99, p999, cpuMicros }) => [
    where,
    name,
    Math.round(perSecond).toLocaleString("en"),
    p50.toFixed(2),
    p99.toFixed(2),
    p999.toFixed(2),
    cpuMicros.toFixed(1),
  ]);
  const widths = heads.map((head, i) => Math.max(head.length, ...rows.map((row) => row[i]!.length)));
  return [heads, ...rows]
    .map((row) =>
      row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  "),
    )
    .join("\n");
}
