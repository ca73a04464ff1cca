// Fills a master's store with objects as they would be after years: through its own commands, journal and catalog, but
// without a wire and without waiting for each.
import { recordSize } from "../../chunkd/protocol/record.ts";
import type { Attributes } from "../../masterd/protocol/messages.ts";
import type { Store } from "../../masterd/store/store.ts";

export const BUCKET = "bench";
export const OBJECT_SIZE = 4096;
/** Objects of OBJECT_SIZE in one packed chunk of 64 MiB. */
export const OBJECTS_PER_CHUNK = 16_000;
/** Writers append to so many folders at once; keys are in order within a folder, not over all. */
const FOLDERS = 64;
/** Below this prefix are so many keys and no folder. */
export const FLAT_PREFIX = "logs/flat/";
export const FLAT_SHARE = 10;
/** Commands handed over at once; less than the store's queue takes. */
const GROUP = 4_096;
const SERVERS = ["s1", "s2", "s3"];
const AT = Date.UTC(2026, 0, 1);

export const ATTRIBUTES: Attributes = {
  headers: { "content-type": "image/jpeg" },
  metadata: {},
  checksums: { CRC64NVME: "AAAAAAAAAAA=" },
};

/** The key of the `index`-th object, 40 to 70 bytes. One in FLAT_SHARE is in one flat folder. */
export function keyAt(index: number): string {
  const digits = String(Math.floor(index / FOLDERS)).padStart(9, "0");
  if (index % FLAT_SHARE === 0)
    return `${FLAT_PREFIX}2026-01-01T00-00-00Z-${String(index).padStart(10, "0")}.json`;
  const folder = String(index % FOLDERS).padStart(4, "0");
  const day = String(Math.floor(index / FOLDERS / 5_000)).padStart(5, "0");
  return `tenants/${folder}/photos/day-${day}/IMG_${digits}_${(Math.imul(index, 2654435761) >>> 0).toString(16)}.jpg`;
}

export function dataAt(handle: number, index: number) {
  const offset = 64 + (index % OBJECTS_PER_CHUNK) * recordSize(OBJECT_SIZE);
  const etag = (Math.imul(index, 2246822519) >>> 0).toString(16).padStart(32, "0");
  const extents = [{ handle, offset, length: OBJECT_SIZE, checksum: Math.imul(index, 3266489917) >>> 0 }];
  return { size: OBJECT_SIZE, etag, extents };
}

/** Handles are 1, 2, ...: nothing else is in this store. */
export const handleOf = (index: number): number => 1 + Math.floor(index / OBJECTS_PER_CHUNK);

/** Commits `count` objects in a new bucket; `onProgress` hears how many there are. */
export async function generate(
  store: Store,
  count: number,
  onProgress: (done: number) => void,
): Promise<void> {
  await store.submit<"createBucket">({ type: "createBucket", at: AT, name: BUCKET, owner: "bench" });
  for (let from = 0; from < count; from += GROUP) {
    const to = Math.min(count, from + GROUP);
    const pending: Promise<unknown>[] = [];
    for (let index = from; index < to; index++) {
      const handle = handleOf(index);
      if (index % OBJECTS_PER_CHUNK === 0) {
        if (handle > 1) pending.push(seal(store, handle - 1));
        const chunks = [{ handle, members: SERVERS }];
        pending.push(store.submit<"openChunks">({ type: "openChunks", at: AT, chunks }));
      }
      const key = keyAt(index);
      const data = dataAt(handle, index);
      pending.push(
        store.submit<"commitObject">({
          type: "commitObject",
          at: AT,
          bucket: BUCKET,
          key,
          data,
          attributes: ATTRIBUTES,
        }),
      );
    }
    await Promise.all(pending);
    onProgress(to);
  }
  await seal(store, handleOf(count - 1));
}

function seal(store: Store, handle: number): Promise<unknown> {
  const length = 64 + OBJECTS_PER_CHUNK * recordSize(OBJECT_SIZE);
  return store.submit<"sealChunk">({ type: "sealChunk", at: AT, handle, version: 2, length });
}
