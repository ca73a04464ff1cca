// The furthest master that this chunkserver has seen (chunkd/FORMAT.md, "The furthest master").
import type { Disk } from "../../std/disk.ts";
import type { Log } from "../../std/log.ts";
import { parseFields, readSmallFile, replaceSmallFile } from "../../std/small-file.ts";
import { BEGINNING, type MasterPoint, masterPoint } from "../protocol/master-point.ts";

const NAME = "master.json";
const FORMAT = 1;

/** What was saved; the beginning when there is nothing that can be trusted. */
export async function loadSeenMaster(disk: Disk, directory: string, log: Log): Promise<MasterPoint> {
  try {
    const text = await readSmallFile(disk, directory, NAME);
    if (text === undefined) return BEGINNING;
    const fields = parseFields(text);
    const point = masterPoint(fields);
    if (point && fields?.format === FORMAT && fields.crc === checksumOf(point)) return point;
    log.warn("what was known of the master cannot be read: it is learnt anew", { file: NAME });
  } catch (error) {
    log.warn("what was known of the master cannot be read: it is learnt anew", {
      file: NAME,
      error: String(error),
    });
  }
  // A flipped bit must not make every master look old.
  return BEGINNING;
}

/** Rejects with Node's errors. */
export function saveSeenMaster(disk: Disk, directory: string, point: MasterPoint): Promise<void> {
  const content = { format: FORMAT, ...point, crc: checksumOf(point) };
  return replaceSmallFile(disk, directory, NAME, `${JSON.stringify(content)}\n`);
}

function checksumOf({ restoredAt, sequence }: MasterPoint): number {
  return Bun.hash.crc32(`${restoredAt} ${sequence}`);
}
