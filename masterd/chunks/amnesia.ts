// Notices that this master has forgotten: its directory is a new one in a cluster that has chunks (F22), or an older copy
// of what it was (F24). What it lacks would look like garbage to it, so it then commands nobody and serves nothing.
import { BEGINNING, isBehind, type MasterPoint } from "../../chunkd/protocol/master-point.ts";
import type { ChunkReport } from "../../chunkd/protocol/messages.ts";
import type { ChunkParts } from "./parts.ts";

export class Amnesia {
  private reason: string | undefined;

  constructor(private readonly parts: Pick<ChunkParts, "store" | "servers" | "log">) {}

  /** What has been forgotten and what to do; undefined while nothing has. Only a restart of the master ends it. */
  get why(): string | undefined {
    return this.reason;
  }

  /** How far this master has come: what is durable, since a crash must not take it back. */
  get reached(): MasterPoint {
    const { journalState, catalog } = this.parts.store;
    return { restoredAt: catalog.database.meta.restoredAt, sequence: journalState.sequence };
  }

  /** The chunkserver `server` says how far it has seen a master come. */
  onSeen(server: string, seen: MasterPoint = BEGINNING): void {
    const { reached } = this;
    if (!isBehind(reached, seen)) return;
    this.begin(
      `the master's directory is an older copy: it is at ${describe(reached)}, and the chunkserver ${server} has ` +
        `seen ${describe(seen)}. Nothing is served and nothing is deleted. Stop the master and put its newest ` +
        "directory back; if that is lost, restore the newest backup: skerry restore --from FILE",
      { server, ...reached, seenSequence: seen.sequence, seenRestoredAt: seen.restoredAt },
    );
  }

  /** `server` holds a chunk that the catalog does not know. A restored master knows that it has forgotten some. */
  onUnknownChunk(server: string, { handle }: ChunkReport): void {
    const { chunksOpened, orphansHeldSince } = this.parts.store.catalog.database.meta;
    if (chunksOpened > 0 || orphansHeldSince > 0) return;
    this.begin(
      `the chunkserver ${server} holds chunks of this cluster, but the master's directory is new: it is the wrong ` +
        "directory, or the right one was lost. Nothing is served and nothing is deleted. Start the master with its " +
        "own directory or a backup of it; to begin anew, empty the chunkservers' directories as well",
      { handle },
    );
  }

  private begin(why: string, fields: Record<string, string | number>): void {
    if (this.reason !== undefined) return;
    this.reason = why;
    this.parts.servers.silence(why);
    this.parts.log.error(why, fields);
  }
}

function describe({ restoredAt, sequence }: MasterPoint): string {
  const restored = restoredAt === 0 ? "" : ` behind the restore of ${new Date(restoredAt).toISOString()}`;
  return `sequence ${sequence}${restored}`;
}
