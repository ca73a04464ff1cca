import { RemoteError } from "../../chunkd/protocol/errors.ts";
import type { MasterErrorCode } from "../protocol/messages.ts";

/** An error that a caller of the master sees, with one of the codes of masterd/protocol/messages.ts. */
export class MasterError extends RemoteError<MasterErrorCode> {}

/** The master's directory lost something that was acknowledged, or is not this cluster's: it must not be served. */
export class DamagedStoreError extends MasterError {
  constructor(what: string) {
    super(
      "NOT_READY",
      `${what}. Nothing is served and nothing is deleted. Restore the master's directory from a backup that has ` +
        "it, or put the right disk back, and start again",
    );
  }
}
