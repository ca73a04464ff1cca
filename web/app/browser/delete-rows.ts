import { storage } from "../api/storage.ts";
import type { Row } from "./listing.ts";

/** Deletes in flight at once: enough to hide the round trip, few enough to leave the server to others. */
const DELETES_IN_FLIGHT_MAX = 4;
const PAGE_KEYS = 1000;

/**
 * Deletes `rows`, a folder with everything in it, and calls `onDeleted` with the number of objects gone so far.
 * Resolves when all are gone; rejects with the first error, or when `signal` is aborted, after which nothing new is
 * deleted.
 */
export async function deleteRows(
  bucket: string,
  rows: readonly Row[],
  onDeleted: (count: number) => void,
  signal: AbortSignal,
): Promise<void> {
  let deleted = 0;
  const work = keysOf(bucket, rows);
  let failed = false;
  async function worker(): Promise<void> {
    while (!failed && !signal.aborted) {
      const { value: key, done } = await work.next();
      if (done) return;
      try {
        await storage.deleteObject(bucket, key);
      } catch (error) {
        failed = true;
        throw error;
      }
      onDeleted(++deleted);
    }
  }
  const results = await Promise.allSettled(Array.from({ length: DELETES_IN_FLIGHT_MAX }, worker));
  const failure = results.find((result) => result.status === "rejected");
  if (failure) throw failure.reason;
  if (signal.aborted) throw new Error("Stopped. What was deleted before stays deleted.");
}

/** The keys to delete. Pages go forward by key, so that deleting what was listed does not shift the next page. */
async function* keysOf(bucket: string, rows: readonly Row[]): AsyncGenerator<string> {
  for (const row of rows) {
    if (row.kind === "object") {
      yield row.id;
      continue;
    }
    let after: string | undefined;
    do {
      const page = await storage.listObjects(bucket, { prefix: row.id, max: PAGE_KEYS, after });
      for (const object of page.objects) yield object.key;
      after = page.next;
    } while (after !== undefined);
  }
}
