import type { hc, InferResponseType } from "hono/client";
import type { StorageRest } from "../../../apis/storage/rest.ts";
import { call } from "./http.ts";

// What the API answers is taken from the API's own type, so that the two cannot drift apart.
type Api = ReturnType<typeof hc<StorageRest>>;
type BucketPage = InferResponseType<Api["buckets"]["$get"]>;
export type BucketInfo = Pick<BucketPage["buckets"][number], "name" | "createdAt">;
type Objects = Api["buckets"][":bucket"]["objects"];
export type ObjectPage = InferResponseType<Objects["$get"]>;
export type ObjectInfo = ObjectPage["objects"][number];
export type StoredObject = InferResponseType<Objects[Extract<keyof Objects, `:key${string}`>]["$put"]>;
export type StorageStatus = InferResponseType<Api["status"]["$get"]>;
export type ChunkserverStatus = StorageStatus["servers"][number];

export interface ListOptions {
  prefix: string;
  /** Absent: everything below `prefix`, flat. */
  delimiter?: "/";
  after?: string;
  max: number;
}

const BUCKETS = "/api/storage/buckets";
const BUCKETS_PAGE = 1000;
/** More rows than this are no list for people; `truncated` says so. */
const BUCKETS_MAX = 10_000;

function bucketPath(bucket: string): string {
  return `${BUCKETS}/${encodeURIComponent(bucket)}`;
}

/** Where an object is read, written and deleted; also the address of its download link. The key is one segment. */
export function objectPath(bucket: string, key: string): string {
  return `${bucketPath(bucket)}/objects/${encodeURIComponent(key)}`;
}

function listPath(bucket: string, options: ListOptions): string {
  const query = new URLSearchParams({ prefix: options.prefix, max: String(options.max) });
  if (options.delimiter) query.set("delimiter", options.delimiter);
  if (options.after !== undefined) query.set("after", options.after);
  return `${bucketPath(bucket)}/objects?${query}`;
}

async function listBuckets(signal?: AbortSignal): Promise<{ buckets: BucketInfo[]; truncated: boolean }> {
  const buckets: BucketInfo[] = [];
  let after: string | undefined;
  do {
    const query = new URLSearchParams({ max: String(BUCKETS_PAGE) });
    if (after !== undefined) query.set("after", after);
    const page = await call<BucketPage>("GET", `${BUCKETS}?${query}`, { signal });
    buckets.push(...page.buckets);
    after = page.next;
  } while (after !== undefined && buckets.length < BUCKETS_MAX);
  return { buckets, truncated: after !== undefined };
}

export const storage = {
  listBuckets,
  createBucket: (name: string) => call<BucketInfo>("POST", BUCKETS, { body: { name } }),
  deleteBucket: (name: string) => call<void>("DELETE", bucketPath(name)),
  listObjects: (bucket: string, options: ListOptions, signal?: AbortSignal) =>
    call<ObjectPage>("GET", listPath(bucket, options), { signal }),
  deleteObject: (bucket: string, key: string) => call<void>("DELETE", objectPath(bucket, key)),
  /** For administrators. */
  status: (signal?: AbortSignal) => call<StorageStatus>("GET", "/api/storage/status", { signal }),
};
