// How far the scrub of a directory is (chunkd/FORMAT.md, "Scrub").
import type { Disk } from "../../std/disk.ts";
import { parseFields, readSmallFile, replaceSmallFile } from "../../std/small-file.ts";
import type { ScrubProgress } from "../protocol/messages.ts";
import { HANDLE_MAX } from "../protocol/record.ts";

const NAME = "scrub.json";
const FORMAT = 1;

export interface ScrubState extends ScrubProgress {
  /** Handles up to this one are done. */
  last: number;
  /** Wall clock, ms: when the next round begins. */
  nextAt: number;
  paused: boolean;
}

/** Whether a round is under way. */
export function isRoundRunning({ startedAt, finishedAt }: ScrubProgress): boolean {
  return startedAt > finishedAt;
}

/** The state that was saved, or undefined when there is none that can be read. */
export async function loadScrubState(disk: Disk, directory: string): Promise<ScrubState | undefined> {
  // Whatever is wrong with the file costs no more than a round.
  const text = await readSmallFile(disk, directory, NAME).catch(() => undefined);
  const fields = text === undefined ? undefined : parseFields(text);
  if (fields?.format !== FORMAT || typeof fields.paused !== "boolean") return undefined;
  const { startedAt, finishedAt, nextAt, doneBytes, totalBytes, damagedFound, last, paused } = fields;
  const numbers = [startedAt, finishedAt, nextAt, doneBytes, totalBytes, damagedFound, last];
  if (!numbers.every(isCount) || (last as number) > HANDLE_MAX) return undefined;
  return {
    startedAt: startedAt as number,
    finishedAt: finishedAt as number,
    nextAt: nextAt as number,
    doneBytes: doneBytes as number,
    totalBytes: totalBytes as number,
    damagedFound: damagedFound as number,
    last: last as number,
    paused,
  };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Rejects with Node's errors. */
export function saveScrubState(disk: Disk, directory: string, state: ScrubState): Promise<void> {
  return replaceSmallFile(disk, directory, NAME, `${JSON.stringify({ format: FORMAT, ...state })}\n`);
}
