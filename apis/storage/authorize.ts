// Who may do what in storage: names what a request is about, and asks the one place that decides (apis/auth/access).

import type { Access, On } from "../auth/access/access.ts";
import type { Principal } from "../auth/identity.ts";
import { type Action, factsOf, type KindOf } from "../policy/actions.ts";
import {
  bucketName,
  bucketsName,
  collectionName,
  objectName,
  ResourceNameError,
} from "../policy/resource-names.ts";
import { S3Error } from "./s3/errors.ts";

export type StorageAction = Extract<Action, `s3:${string}` | `storage:${string}`>;

/** Await `freshened` before a caller is proved. */
export type Permissions = Pick<Access, "decide" | "freshened">;

export interface StorageResource extends Pick<On, "owner" | "values"> {
  /** Empty or absent for actions that are on no bucket. */
  bucket?: string;
  key?: string;
}

/**
 * Whether `principal` may do `action` there. `owner` is the user id of the bucket's owner, for a list that of whose buckets
 * it shows. Throws {@link S3Error} `InvalidBucketName`, AuthError `permissions_stale`.
 */
export function authorize(
  access: Permissions,
  principal: Principal,
  action: StorageAction,
  { bucket = "", key = "", owner, values }: StorageResource,
): boolean {
  return access.decide(principal, action, { resource: nameOf(action, bucket, key), owner, values }).allowed;
}

/** Throws as {@link authorize}. */
export function nameOf(
  action: StorageAction,
  bucket: string,
  key: string,
): On<KindOf<StorageAction>>["resource"] {
  const { kind } = factsOf(action);
  if (kind === "cluster") return collectionName("storage", "", "cluster");
  if (kind === "buckets") return bucketsName();
  try {
    return kind === "bucket" ? bucketName(bucket) : objectName(bucket, key);
  } catch (error) {
    if (error instanceof ResourceNameError)
      throw new S3Error("InvalidBucketName", undefined, { cause: error });
    throw error;
  }
}
