// The methods of the master, over its store and its chunks. Every transport and every in-process caller comes here.
import type { z } from "zod";
import { assert } from "../../std/assert.ts";
import type { Clock } from "../../std/clock.ts";
import type { Random } from "../../std/random.ts";
import { bucketName, objectName, uploadName } from "../catalog/commands.ts";
import { listObjects, listUploads } from "../catalog/listing.ts";
import type { ChunkManager } from "../chunks/chunk-manager.ts";
import { chunkStatus } from "../chunks/status.ts";
import type { Locations, MasterMethod, MasterMethods } from "../protocol/messages.ts";
import type { BackupDesk } from "../store/backup-desk.ts";
import { MasterError } from "../store/errors.ts";
import type { Store } from "../store/store.ts";
import { parseRequest, REQUESTS } from "./requests.ts";

type Response<M extends MasterMethod> = MasterMethods[M]["response"];
export type Methods = {
  [M in MasterMethod]: (request: MasterMethods[M]["request"]) => Promise<Response<M>>;
};

export interface MethodParts {
  clock: Clock;
  random: Random;
  store: Store;
  chunks: ChunkManager;
  backups: BackupDesk;
  clusterId: string;
}

/** All methods by name; each checks its request's shape and refuses while the master must not serve. */
export function createMethods(parts: MethodParts): Methods {
  const methods = {
    ...bucketMethods(parts),
    ...chunkMethods(parts),
    ...objectMethods(parts),
    ...uploadMethods(parts),
    ...statusMethods(parts),
    ...serverMethods(parts),
    ...backupMethods(parts),
  };
  const guarded = Object.entries(methods).map(([name, method]) => [
    name,
    guard(name as MasterMethod, method as (request: unknown) => Promise<unknown>, parts.chunks),
  ]);
  return Object.fromEntries(guarded) as Methods;
}

/** What an operator looks at while the master starts. */
const TOLD_AT_ONCE: ReadonlySet<MasterMethod> = new Set(["status", "listChunkservers"]);

function guard(name: MasterMethod, method: (request: unknown) => Promise<unknown>, chunks: ChunkManager) {
  const schema: z.ZodType<unknown> = REQUESTS[name];
  assert(schema !== undefined, `the method ${name} needs a schema`);
  const run = (request: unknown): Promise<unknown> => {
    if (chunks.amnesia !== undefined) throw new MasterError("NOT_READY", chunks.amnesia);
    return method(parseRequest(schema, request));
  };
  // Not async: each promise more costs every look-up a turn.
  return (request: unknown): Promise<unknown> => {
    if (chunks.unrecognised && !TOLD_AT_ONCE.has(name)) return chunks.unrecognised.then(() => run(request));
    try {
      return run(request);
    } catch (error) {
      return Promise.reject(error);
    }
  };
}

type Subset<M extends MasterMethod> = Pick<Methods, M>;

function bucketMethods({
  store,
  clock,
}: MethodParts): Subset<"createBucket" | "deleteBucket" | "setBucketOwner" | "getBucket" | "listBuckets"> {
  return {
    createBucket: (request) =>
      store.submit<"createBucket">({ type: "createBucket", at: clock.now(), ...request }),
    deleteBucket: (request) =>
      store.submit<"deleteBucket">({ type: "deleteBucket", at: clock.now(), ...request }),
    setBucketOwner: (request) =>
      store.submit<"setBucketOwner">({ type: "setBucketOwner", at: clock.now(), ...request }),
    getBucket: ({ name }) =>
      store.read([bucketName(name)], ({ buckets }) => {
        const { id: _, ...bucket } = buckets.get(name);
        return bucket;
      }),
    listBuckets: (request) => store.read("all", ({ buckets }) => buckets.list(request)),
  };
}

function chunkMethods({
  chunks,
}: MethodParts): Subset<"openChunks" | "renewLeases" | "closeChunks" | "locate" | "reportDamage"> {
  return {
    openChunks: async ({ count }) => ({ leases: await chunks.openChunks(count) }),
    renewLeases: async ({ handles, uncommitted }) => ({ leases: chunks.renewLeases(handles, uncommitted) }),
    closeChunks: async ({ handles }) => {
      chunks.closeChunks(handles);
      return null;
    },
    locate: async ({ handles }) => ({ locations: locationsOf(chunks, handles) }),
    reportDamage: async ({ handle, replica }) => {
      chunks.reportDamage(handle, replica);
      return null;
    },
  };
}

function locationsOf(chunks: ChunkManager, handles: Iterable<number>): Locations {
  const locations: Locations = {};
  for (const handle of handles) locations[handle] ??= chunks.directory.locations(handle);
  return locations;
}

type ObjectMethod =
  | "commitObject"
  | "getObject"
  | "headObject"
  | "deleteObject"
  | "deleteObjects"
  | "copyObject"
  | "listObjects";

function objectMethods(parts: MethodParts): Subset<ObjectMethod> {
  const { store, clock, chunks } = parts;
  return {
    commitObject: (request) =>
      store.submit<"commitObject">({ type: "commitObject", at: clock.now(), ...request }),
    getObject: async ({ bucket, key }) => {
      const names = [bucketName(bucket), objectName(bucket, key)];
      const object = await store.read(names, ({ buckets, objects }) => objects.get(buckets.id(bucket), key));
      const handles = object.extents.map(({ handle }) => handle);
      return { object, locations: locationsOf(chunks, handles) };
    },
    headObject: async ({ bucket, key }) => {
      const names = [bucketName(bucket), objectName(bucket, key)];
      return store.read(names, ({ buckets, objects }) => ({ object: objects.head(buckets.id(bucket), key) }));
    },
    deleteObject: (request) =>
      store.submit<"deleteObject">({ type: "deleteObject", at: clock.now(), ...request }),
    deleteObjects: (request) => deleteObjects(parts, request),
    copyObject: (request) => store.submit<"copyObject">({ type: "copyObject", at: clock.now(), ...request }),
    listObjects: (request) => store.read("all", (catalog) => listObjects(catalog, request)),
  };
}

/** Each key is a command of its own: atomic each, and all of them share the journal's next write. */
async function deleteObjects(
  { store, clock }: MethodParts,
  { bucket, objects }: MasterMethods["deleteObjects"]["request"],
): Promise<Response<"deleteObjects">> {
  const at = clock.now();
  await store.read([bucketName(bucket)], ({ buckets }) => buckets.id(bucket));
  const results = objects.map(async ({ key, condition }) => {
    try {
      const command = { type: "deleteObject" as const, at, bucket, key, condition };
      const { deleted } = await store.submit<"deleteObject">(command);
      return { key, deleted };
    } catch (error) {
      if (!(error instanceof MasterError)) throw error;
      return { key, deleted: false, error: { code: error.code, message: error.message } };
    }
  });
  return { results: await Promise.all(results) };
}

type UploadMethod =
  | "createUpload"
  | "getUpload"
  | "commitPart"
  | "completeUpload"
  | "abortUpload"
  | "listParts"
  | "listUploads";

const UPLOAD_ID_SIZE = 16;

function uploadMethods({ store, clock, random }: MethodParts): Subset<UploadMethod> {
  return {
    createUpload: (request) => {
      const uploadId = random.bytes(UPLOAD_ID_SIZE).toString("base64url");
      return store.submit<"createUpload">({ type: "createUpload", at: clock.now(), uploadId, ...request });
    },
    getUpload: ({ bucket, key, uploadId }) =>
      store.read([bucketName(bucket), uploadName(uploadId)], ({ buckets, uploads }) =>
        uploads.get(buckets.id(bucket), key, uploadId),
      ),
    commitPart: (request) => store.submit<"commitPart">({ type: "commitPart", at: clock.now(), ...request }),
    completeUpload: (request) =>
      store.submit<"completeUpload">({ type: "completeUpload", at: clock.now(), ...request }),
    abortUpload: (request) =>
      store.submit<"abortUpload">({ type: "abortUpload", at: clock.now(), ...request }),
    listParts: ({ bucket, key, uploadId, after, max }) =>
      store.read([bucketName(bucket), uploadName(uploadId)], ({ buckets, uploads }) => {
        const upload = uploads.get(buckets.id(bucket), key, uploadId);
        const rows = uploads.parts(uploadId, after, max + 1);
        const parts = rows.slice(0, max).map(({ extents: _, ...part }) => part);
        return rows.length > max && max > 0
          ? { upload, parts, next: parts.at(-1)!.partNumber }
          : { upload, parts };
      }),
    listUploads: (request) => store.read("all", (catalog) => listUploads(catalog, request)),
  };
}

function statusMethods({ store, chunks, clusterId }: MethodParts): Subset<"status"> {
  return {
    status: async () => {
      const counts = await store.read("all", ({ buckets, database }) => ({
        buckets: buckets.count(),
        objects: database.meta.objects,
      }));
      return {
        clusterId,
        ...counts,
        ...chunkStatus(chunks),
        journal: store.journalState,
        commits: { ...store.commits },
      };
    },
  };
}

type ServerMethod =
  | "listChunkservers"
  | "drainChunkserver"
  | "undrainChunkserver"
  | "removeChunkserver"
  | "discardOrphans"
  | "scrubChunkserver";

function serverMethods({ chunks: { admin, orphans } }: MethodParts): Subset<ServerMethod> {
  return {
    listChunkservers: async () => ({ servers: admin.list() }),
    drainChunkserver: ({ id }) => admin.drain(id),
    undrainChunkserver: ({ id }) => admin.undrain(id),
    removeChunkserver: ({ id, force = false }) => admin.remove(id, force),
    discardOrphans: () => orphans.discard(),
    scrubChunkserver: ({ id, action }) => admin.scrub(id, action),
  };
}

function backupMethods({ backups }: MethodParts): Subset<"beginBackup" | "readBackup" | "endBackup"> {
  return {
    beginBackup: () => backups.begin(),
    readBackup: async ({ id, offset, length }) => ({ bytes: await backups.read(id, offset, length) }),
    endBackup: async ({ id }) => {
      backups.end(id);
      return null;
    },
  };
}
