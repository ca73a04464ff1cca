// The mark of a failed disk, so that no restart takes it for a good one (chunkd/FORMAT.md, "Quarantine").
import type { Disk } from "../../std/disk.ts";
import type { Log } from "../../std/log.ts";
import { parseFields, readSmallFile, replaceSmallFile } from "../../std/small-file.ts";

const NAME = "quarantine.json";
const FORMAT = 1;

/** Whether the directory is marked. A mark that cannot be read counts. */
export async function isQuarantined(disk: Disk, directory: string, log: Log): Promise<boolean> {
  const why = await readSmallFile(disk, directory, NAME).catch(
    (error: Error) => `{"code":"${error.message}"}`,
  );
  if (why === undefined) return false;
  const { code, at } = parseFields(why) ?? {};
  log.error(
    "this disk failed before: nothing is written to it. Replace it, or check it and remove the mark",
    {
      mark: `${directory}/${NAME}`,
      code: typeof code === "string" ? code : undefined,
      at: typeof at === "number" ? at : undefined,
    },
  );
  return true;
}

/** Marks the directory, as far as its disk still lets us. */
export async function markQuarantined(
  disk: Disk,
  directory: string,
  log: Log,
  failure: { at: number; code: string },
): Promise<void> {
  try {
    const content = JSON.stringify({ format: FORMAT, ...failure });
    await replaceSmallFile(disk, directory, NAME, `${content}\n`);
  } catch (error) {
    log.warn("the failed disk could not be marked", { directory, error: (error as Error).message });
  }
}
