import type { Bucket } from "../protocol/messages.ts";
import { MasterError } from "../store/errors.ts";
import { dropUpload } from "./apply-uploads.ts";
import type { Catalog } from "./catalog.ts";
import type { CommandOf } from "./commands.ts";
import { KEY_RANGE_END } from "./key-range.ts";
import { checkBucketName } from "./names.ts";

type BucketCommand = CommandOf<"createBucket" | "deleteBucket" | "setBucketOwner">;

/** Uploads taken up at once while their bucket goes. */
const UPLOADS_PAGE = 100;

export function applyBucketCommand(catalog: Catalog, command: BucketCommand): Bucket | null {
  switch (command.type) {
    case "createBucket":
      return createBucket(catalog, command);
    case "deleteBucket":
      return deleteBucket(catalog, command);
    case "setBucketOwner":
      return setBucketOwner(catalog, command);
  }
}

function createBucket({ buckets }: Catalog, { name, owner, at }: CommandOf<"createBucket">): Bucket {
  checkBucketName(name);
  const present = buckets.find(name);
  if (present) {
    throw new MasterError("BUCKET_EXISTS", `the bucket "${name}" exists already`, { owner: present.owner });
  }
  const bucket = { name, owner, createdAt: at };
  buckets.add(bucket);
  return bucket;
}

/** Done twice it is done once: an answer may have been lost. */
function setBucketOwner(
  { buckets }: Catalog,
  { name, owner, newOwner }: CommandOf<"setBucketOwner">,
): Bucket {
  const { id, createdAt, owner: present } = buckets.get(name);
  if (present !== owner && present !== newOwner) {
    throw new MasterError("PRECONDITION_FAILED", `the bucket "${name}" belongs to somebody else`);
  }
  if (present === owner) buckets.setOwner(id, newOwner);
  return { name, owner: newOwner, createdAt };
}

/** Uploads in progress do not keep a bucket, as in S3: they are aborted with it. */
function deleteBucket(catalog: Catalog, { name }: CommandOf<"deleteBucket">): null {
  const { buckets, objects, uploads } = catalog;
  const id = buckets.id(name);
  if (objects.hasAny(id)) throw new MasterError("BUCKET_NOT_EMPTY", `the bucket "${name}" still has objects`);
  for (;;) {
    const page = uploads.range(id, Buffer.alloc(0), "", KEY_RANGE_END, UPLOADS_PAGE);
    for (const { key, uploadId } of page) dropUpload(catalog, id, key, uploadId);
    if (page.length < UPLOADS_PAGE) break;
  }
  buckets.delete(id);
  return null;
}
