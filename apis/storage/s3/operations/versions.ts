import type { Call } from "../call.ts";
import { S3Error } from "../errors.ts";

/** The id of the only version that an object has in a bucket that was never versioned. */
export const NULL_VERSION = "null";

/** Throws `NoSuchVersion` when the request names a version that cannot be there. */
export function refuseOtherVersions(call: Call): void {
  const versionId = call.query.get("versionId");
  if (versionId !== undefined && versionId !== NULL_VERSION) {
    throw new S3Error("NoSuchVersion", undefined, { fields: { Key: call.key, VersionId: versionId } });
  }
}
