// The run as people read it, and as JSON with all raw values.
import type { Op } from "./cases.ts";
import type { KindResult, LoopResult } from "./closed-loop.ts";
import { Histogram } from "./histogram.ts";
import type { MachineFigures } from "./machine/figures.ts";
import { formatSize } from "./sizes.ts";

export interface CaseResult extends LoopResult {
  op: Op;
  size: number | undefined;
}

/** A client that takes this share of a core may be what is measured. */
const CLIENT_CPU_WARN = 0.8;

const HEADINGS = [
  "op",
  "size",
  "ops/s",
  "MB/s",
  "p50 ms",
  "p90 ms",
  "p99 ms",
  "max ms",
  "errors",
  "client CPU",
  "of loopback",
  "of disk",
  "of fdatasyncs",
];

const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
const milliseconds = (us: number): string => (us / 1000).toFixed(us < 10_000 ? 2 : us < 100_000 ? 1 : 0);
const rate = (value: number): string =>
  value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString("en-US");

export function machineLine(machine: MachineFigures): string {
  return [
    `loopback TCP ${rate(machine.loopbackMBps)} MB/s`,
    `disk write+fdatasync ${rate(machine.diskWriteMBps)} MB/s`,
    `fdatasyncs of 4 KiB appends ${rate(machine.durableAppendsPerSecond)}/s`,
    `MD5 ${rate(machine.md5MBps)} MB/s`,
  ].join(", ");
}

/** The lines of the table: one a case, and for the mix one more for each kind of operation in it. */
export function table(results: readonly CaseResult[], machine: MachineFigures): string {
  const rows = [HEADINGS, ...results.flatMap((result) => rowsOf(result, machine))];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function rowsOf(result: CaseResult, machine: MachineFigures): string[][] {
  const errors = Object.values(result.errors).reduce((sum, count) => sum + count, 0);
  const total = result.kinds.length === 1 ? result.kinds[0]! : sumOf(result);
  const perSecond = total.operations / result.seconds;
  const megabytes = total.bytes / 1e6 / result.seconds;
  const writes = result.op === "put" || result.op === "mixed";
  const row = [
    result.op,
    result.size === undefined ? "" : formatSize(result.size),
    ...timings(total, result.seconds),
    String(errors),
    percent(result.clientCpu),
    total.bytes > 0 ? percent(megabytes / machine.loopbackMBps) : "",
    writes ? percent(megabytes / machine.diskWriteMBps) : "",
    writes ? percent(perSecond / machine.durableAppendsPerSecond) : "",
  ];
  if (result.kinds.length < 2) return [row];
  const kinds = [...result.kinds].sort((a, b) => b.operations - a.operations);
  return [
    row,
    ...kinds.map((kind) => [`  ${kind.kind}`, "", ...timings(kind, result.seconds), "", "", "", "", ""]),
  ];
}

function timings({ operations, bytes, latency }: KindResult, seconds: number): string[] {
  return [
    rate(operations / seconds),
    bytes > 0 ? rate(bytes / 1e6 / seconds) : "",
    ...[0.5, 0.9, 0.99, 1].map((share) => milliseconds(latency.percentileUs(share))),
  ];
}

/** All kinds of a mix as one. */
function sumOf(result: CaseResult): KindResult {
  const latency = new Histogram();
  let operations = 0;
  let bytes = 0;
  for (const kind of result.kinds) {
    latency.add(kind.latency);
    operations += kind.operations;
    bytes += kind.bytes;
  }
  return { kind: result.op, operations, bytes, latency };
}

/** What makes the numbers doubtful, in words. */
export function warnings(results: readonly CaseResult[], load: number, cores: number): string[] {
  const found: string[] = [];
  if (load > cores / 2) {
    found.push(
      `the machine was busy at the start (load ${load.toFixed(2)} on ${cores} cores): run again when idle`,
    );
  }
  for (const result of results) {
    const name = result.size === undefined ? result.op : `${result.op} ${formatSize(result.size)}`;
    if (result.clientCpu > CLIENT_CPU_WARN) {
      found.push(
        `${name}: this client took ${percent(result.clientCpu)} of a core; it may be what was measured`,
      );
    }
    const codes = Object.entries(result.errors).map(([code, count]) => `${count} x ${code}`);
    if (codes.length > 0) found.push(`${name}: errors: ${codes.join(", ")}`);
  }
  return found;
}

export function caseJson(result: CaseResult) {
  return {
    op: result.op,
    sizeBytes: result.size ?? null,
    seconds: result.seconds,
    clientCpu: result.clientCpu,
    errors: result.errors,
    kinds: result.kinds.map(({ kind, operations, bytes, latency }) => ({
      kind,
      operations,
      bytes,
      opsPerSecond: operations / result.seconds,
      MBps: bytes / 1e6 / result.seconds,
      meanUs: latency.meanUs(),
      p50Us: latency.percentileUs(0.5),
      p90Us: latency.percentileUs(0.9),
      p99Us: latency.percentileUs(0.99),
      maxUs: latency.maxUs,
      latencyBucketsUs: latency.buckets(),
    })),
  };
}
