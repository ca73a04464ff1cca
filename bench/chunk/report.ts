import { median } from "../storage/median.ts";
import type { CaseValues, ChunkFigures } from "./measure.ts";

interface About {
  revision: string;
  bun: string;
  loadAverageAtStart: number;
}

/** The middle one of the ratios of each round: what the machine does besides changes from round to round. */
export function medianRatio(of: CaseValues, to: CaseValues): number {
  return median(of.rates.map((rate, round) => rate / to.rates[round]!));
}

const MB = (rate: number): string => `${(rate / 1e6).toFixed(0)} MB/s`;
const PER_SECOND = (rate: number): string => `${rate.toFixed(0)}/s`;

function line(name: string, values: CaseValues, rate: (value: number) => string, cpu: string): string {
  const sync = median(values.bytesPerSync);
  const batch = sync > 0 ? `, ${(sync / 1024).toFixed(0)} KiB a sync` : "";
  return `${name.padEnd(34)} ${rate(median(values.rates)).padStart(11)}   ${cpu}${batch}`;
}

function large(name: string, values: CaseValues): string {
  return line(name, values, MB, `${median(values.cpuSeconds).toFixed(2)} CPU s/GB`);
}

function small(name: string, values: CaseValues): string {
  return line(name, values, PER_SECOND, `${(median(values.cpuSeconds) * 1e6).toFixed(0)} CPU us each`);
}

function goal(what: string, ratio: number, wanted: number): string {
  return `${what.padEnd(34)} ${ratio.toFixed(2).padStart(11)}   goal ${wanted}${ratio < wanted ? ": MISSED" : ""}`;
}

/** The lines of the table: medians of all rounds, then the ratios that are asked for. */
export function reportLines(about: About, figures: ChunkFigures): string[] {
  const { plainStream, plainCopies, serialSyncs } = figures;
  const rounds = plainStream.rates.length;
  return [
    `revision ${about.revision}, Bun ${about.bun}, load ${about.loadAverageAtStart.toFixed(2)} at the start, median of ${rounds}`,
    "",
    large("plain stream", plainStream),
    large("read chunk after chunk", figures.readChunks),
    large("three plain copies", plainCopies),
    large("write chunk after chunk", figures.writeChunks),
    small("fdatasyncs, one after another", serialSyncs),
    small("4 KiB durable writes", figures.writeSmall),
    small("4 KiB reads", figures.readSmall),
    small("4 KiB reads in place", figures.readSmallHere),
    large("read chunk after chunk in place", figures.readChunksHere),
    "",
    goal("read / plain stream", medianRatio(figures.readChunks, plainStream), 0.8),
    goal("write / three plain copies", medianRatio(figures.writeChunks, plainCopies), 0.6),
    goal("4 KiB writes / (fdatasyncs / 2)", 2 * medianRatio(figures.writeSmall, serialSyncs), 3),
  ];
}
