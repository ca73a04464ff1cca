import { STALE_MS } from "../../apis/auth/change-feed.ts";
import type { CutOff } from "./cut-off.ts";
import type { RevocationFigures, RevocationTrial } from "./measure.ts";
import { PLACES, type PlaceName } from "./places.ts";

/** The promise: from the call to refusal everywhere. */
export const PROMISED_MS = 1_000;

/** The value that `share` (0..1) of the sorted samples do not exceed. */
function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

function distribution(samples: readonly number[]): string[] {
  const sorted = [...samples].sort((a, b) => a - b);
  return [0.5, 0.99, 1].map((share) => percentile(sorted, share).toFixed(0));
}

/** Times from the call to the first refusal at `place`, of the process that took the call or of the other. */
function samplesOf(trials: readonly RevocationTrial[], place: PlaceName, same: boolean): number[] {
  return trials.flatMap(({ calledAt, refusals }) =>
    refusals
      .filter((refusal) => refusal.place === place && (refusal.process === calledAt) === same)
      .map(({ refusedMs }) => refusedMs),
  );
}

const HEADS = ["revoked", "asked", "p50", "p99", "max", "p50", "p99", "max"];
const TEXTS = 2;

/** The lines of the table. */
export function reportLines({ trials, cutOffs }: RevocationFigures): string[] {
  const names = [...new Set(trials.map(({ revocation }) => revocation))];
  const rows = names.flatMap((name) => {
    const own = trials.filter(({ revocation }) => revocation === name);
    const places = PLACES.filter((place) => samplesOf(own, place, true).length > 0);
    return places.map((place, index) => [
      index === 0 ? name : "",
      place,
      ...distribution(samplesOf(own, place, true)),
      ...distribution(samplesOf(own, place, false)),
    ]);
  });
  const table = [HEADS, ...rows];
  const widths = HEADS.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const lines = table.map((row) =>
    row
      .map((cell, i) => (i < TEXTS ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]! + 1)))
      .join("  ")
      .trimEnd(),
  );
  return [
    "ms from the call to the first refusal: in the process that took the call, then in the other",
    ...lines,
    "",
    slowestLine(trials),
    ...cutOffs.map(cutOffLine),
  ];
}

function slowestLine(trials: readonly RevocationTrial[]): string {
  const all = trials.flatMap(({ revocation, refusals }) =>
    refusals.map((refusal) => ({ ...refusal, revocation })),
  );
  const slowest = all.reduce((most, each) => (each.refusedMs > most.refusedMs ? each : most));
  const { refusedMs, revocation, place, process } = slowest;
  const verdict = refusedMs <= PROMISED_MS ? "kept" : "MISSED";
  return `slowest of ${all.length}: ${refusedMs.toFixed(0)} ms (${revocation}, ${place} of ${process}); promised ${PROMISED_MS} ms: ${verdict}`;
}

const STATES = { deaf: "hears no notifications", cut: "cut off from the database", whole: "" };

function cutOffLine({ state, refusals, recoveredMs }: CutOff): string {
  const last = Math.max(...refusals.map(({ lastPassedMs }) => lastPassedMs));
  const verdict = last <= STALE_MS ? "kept" : "MISSED";
  const statuses = [...new Set(refusals.map(({ place, status }) => `${place} ${status}`))].join(", ");
  return `${STATES[state]}: let the last through ${(last / 1_000).toFixed(1)} s after the call, bound ${STALE_MS / 1_000} s: ${verdict}; then ${statuses}; back after ${(recoveredMs / 1_000).toFixed(1)} s`;
}
