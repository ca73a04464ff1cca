// The run's figures as shares of what the machine allows: the goals that the project has set itself, both numbers each.

import type { BareHttpFigure } from "./machine/bare-http.ts";
import type { MachineFigures } from "./machine/figures.ts";
import type { CaseResult } from "./report.ts";
import { formatSize } from "./sizes.ts";

export interface Ratio {
  name: string;
  /** What was measured, and what it is held against, in `unit`. */
  measured: number;
  against: number;
  unit: string;
  ratio: number;
  /** At least; absent where it is only for information. */
  goal?: number;
  /** What `against` is. */
  meaning: string;
}

/** Objects up to this size are bound by syncs and requests, larger ones by bytes. */
const SMALL_SIZE_MAX = 64 << 10;
const LARGE_SIZE_MIN = 64 << 20;
const REPLICAS = 3;

/** The ratios of all cases that have one. `bare`: by object size. */
export function ratiosOf(
  results: readonly CaseResult[],
  machine: MachineFigures,
  bare: ReadonlyMap<number, readonly BareHttpFigure[]>,
): Ratio[] {
  return results.flatMap((result) => {
    if (result.size === undefined || result.kinds.length === 0) return [];
    if (result.op === "get") return getRatios(result, result.size, bare.get(result.size) ?? []);
    if (result.op !== "put") return [];
    return result.size <= SMALL_SIZE_MAX
      ? [syncRatio(result, result.size, machine)]
      : result.size >= LARGE_SIZE_MIN
        ? [byteRatio(result, result.size, machine)]
        : [];
  });
}

function syncRatio(result: CaseResult, size: number, machine: MachineFigures): Ratio {
  return ratio({
    name: `${formatSize(size)} durable PUT`,
    measured: perSecond(result),
    against: machine.durableAppendsPerSecond / 2,
    unit: "/s",
    goal: 3,
    meaning: "two dependent fdatasyncs an operation, one operation after another, on this disk",
  });
}

function getRatios(result: CaseResult, size: number, bare: readonly BareHttpFigure[]): Ratio[] {
  return bare.map(({ server, getsPerSecond }) =>
    ratio({
      name: `${formatSize(size)} GET`,
      measured: perSecond(result),
      against: getsPerSecond,
      unit: "/s",
      goal: server === "node" ? 0.5 : undefined,
      meaning: `a bare ${server === "node" ? "node:http" : "Bun.serve"} server, the bytes from memory`,
    }),
  );
}

/** MD5 is one core's work for each object, the disk's is three times the bytes: whichever is less is the limit. */
function byteRatio(result: CaseResult, size: number, machine: MachineFigures): Ratio {
  const disk = machine.diskWriteMBps / REPLICAS;
  const isDisk = disk < machine.md5MBps;
  return ratio({
    name: `${formatSize(size)} PUT`,
    measured: result.kinds[0]!.bytes / 1e6 / result.seconds,
    against: Math.min(disk, machine.md5MBps),
    unit: " MB/s",
    meaning: isDisk
      ? `the disk, which writes each byte ${REPLICAS} times (MD5 alone: ${machine.md5MBps.toFixed(0)} MB/s)`
      : `MD5 on one core (the disk, ${REPLICAS} times: ${disk.toFixed(0)} MB/s)`,
  });
}

function ratio(of: Omit<Ratio, "ratio">): Ratio {
  return { ...of, ratio: of.measured / of.against };
}

function perSecond({ kinds, seconds }: CaseResult): number {
  return kinds[0]!.operations / seconds;
}

/** `4KiB GET      5,120/s is 0.61 of 8,400/s (a bare ...); goal 0.5`. */
export function ratioLine({ name, measured, against, unit, ratio: share, goal, meaning }: Ratio): string {
  const number = (value: number) => Math.round(value).toLocaleString("en-US");
  const aim = goal === undefined ? "" : `; goal ${goal}${share >= goal ? ", reached" : ", missed"}`;
  return `${name.padEnd(18)} ${number(measured)}${unit} is ${share.toFixed(2)} of ${number(against)}${unit}: ${meaning}${aim}`;
}
