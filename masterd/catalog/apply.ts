// The one deterministic function that changes the catalog: same catalog and same command, same outcome.
// Each part validates first and throws MasterError before its first write, so a refused command changes nothing.
import { MasterError } from "../store/errors.ts";
import { applyBucketCommand } from "./apply-buckets.ts";
import { applyChunkCommand } from "./apply-chunks.ts";
import { addCompacted, moveExtents } from "./apply-compaction.ts";
import { applyObjectCommand } from "./apply-objects.ts";
import { applyServerCommand } from "./apply-servers.ts";
import { applyUploadCommand } from "./apply-uploads.ts";
import type { Catalog } from "./catalog.ts";
import type { Command, CommandResults, CommandType } from "./commands.ts";

/** Applies `command`. Throws {@link MasterError} for one that is refused; the catalog is then as it was. */
export function apply(catalog: Catalog, command: Command): CommandResults[CommandType] {
  switch (command.type) {
    case "createBucket":
    case "deleteBucket":
    case "setBucketOwner":
      return applyBucketCommand(catalog, command);
    case "openChunks":
    case "sealChunk":
    case "deleteChunks":
    case "forgetChunks":
      return applyChunkCommand(catalog, command);
    case "commitObject":
    case "deleteObject":
    case "copyObject":
      return applyObjectCommand(catalog, command);
    case "createUpload":
    case "commitPart":
    case "completeUpload":
    case "abortUpload":
    case "abandonUpload":
      return applyUploadCommand(catalog, command);
    case "addCompacted":
      return addCompacted(catalog, command);
    case "moveExtents":
      return moveExtents(catalog, command);
    case "addServer":
    case "setServerState":
    case "holdOrphans":
      return applyServerCommand(catalog, command);
  }
  // A journal that a newer master wrote: passing a command over would lose what it says.
  const { type } = command as { type: unknown };
  throw new MasterError("BAD_REQUEST", `this version does not know the command "${type}"`);
}
