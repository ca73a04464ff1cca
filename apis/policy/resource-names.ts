// How resources are called in policies and requests. S3's have the names that S3 gives them; all others are
// arn:skerry:<service>::<owner>:<kind>/<id>, the owner being a user's id, or empty for what belongs to nobody.
import type { KindIn, Service } from "./actions.ts";

declare const kindOfName: unique symbol;

/** The ARN of one resource of the kind `K`; made here alone. */
export type ResourceName<K extends string = string> = string & { readonly [kindOfName]: K };

/** What cannot be part of a name, since the name would then be another's. */
export class ResourceNameError extends Error {
  override name = "ResourceNameError";
}

const PART = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$/;
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/;

/** What listing and counting one's buckets is on. */
export function bucketsName(): ResourceName<"buckets"> {
  return "arn:aws:s3:::" as ResourceName<"buckets">;
}

/** Throws {@link ResourceNameError} for what no bucket can be called; a slash would make it another bucket's object. */
export function bucketName(bucket: string): ResourceName<"bucket"> {
  if (!BUCKET.test(bucket))
    throw new ResourceNameError("a bucket's name has letters, digits, ., _ and - alone");
  return `arn:aws:s3:::${bucket}` as ResourceName<"bucket">;
}

/** `key` as it is: a `*` in a request's resource is a character. */
export function objectName(bucket: string, key: string): ResourceName<"object"> {
  if (key === "") throw new ResourceNameError("an object's key has at least one character");
  return `${bucketName(bucket)}/${key}` as ResourceName<"object">;
}

type OwnService = Exclude<Service, "s3">;

/** One resource. `owner` is a user's id, or "" for nobody. Throws {@link ResourceNameError}. */
export function resourceName<S extends OwnService, K extends KindIn<S>>(
  service: S,
  owner: string,
  kind: K,
  id: string,
): ResourceName<K> {
  checkPart("id", id);
  return `${collectionName(service, owner, kind)}${id}` as ResourceName<K>;
}

/** All resources of a kind that `owner` has; with "", everybody's: what listing is on. Throws {@link ResourceNameError}. */
export function collectionName<S extends OwnService, K extends KindIn<S>>(
  service: S,
  owner: string,
  kind: K,
): ResourceName<K> {
  if (owner !== "") checkPart("owner", owner);
  return `arn:skerry:${service}::${owner}:${kind}/` as ResourceName<K>;
}

/** Wildcards, colons and slashes mean something in a policy. */
function checkPart(what: string, text: string): void {
  if (PART.test(text)) return;
  throw new ResourceNameError(
    `the ${what} of a resource has 1 to 128 letters, digits, ., _, @, + and -, and begins with a letter or digit`,
  );
}
