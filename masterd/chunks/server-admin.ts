// What an operator does with chunkservers: drain one, take that back, remove one for good. The word is in the catalog; the
// repairer carries it out.
import { ChunkOp, type ScrubAction, type ScrubControlResponse } from "../../chunkd/protocol/messages.ts";
import type { ChunkserverInfo, ServerState } from "../protocol/messages.ts";
import { MasterError } from "../store/errors.ts";
import { scrubResponse } from "./answers.ts";
import { isWhole } from "./directory.ts";
import type { ChunkParts } from "./parts.ts";
import { type Candidate, REPLICAS_WANTED, roomOn } from "./placement.ts";
import type { Repairer } from "./repairer.ts";

export class ServerAdmin {
  private marking: Promise<void> | undefined;

  constructor(
    private readonly parts: ChunkParts,
    private readonly repairer: Repairer,
    private readonly candidates: () => Candidate[],
    /** Called when a server's replicas and its word no longer count. */
    private readonly onRemoved: (id: string) => void,
  ) {}

  list(): ChunkserverInfo[] {
    return this.parts.servers
      .ids()
      .sort()
      .map((id) => this.info(id));
  }

  /** Throws `NO_SUCH_SERVER`. */
  info(id: string): ChunkserverInfo {
    const { servers, directory } = this.parts;
    const server = servers.get(id);
    if (!server && !servers.isKnown(id)) {
      throw new MasterError("NO_SUCH_SERVER", `there is no chunkserver with the id "${id}"`);
    }
    return {
      id,
      address: server?.address ?? null,
      state: servers.state(id),
      alive: server !== undefined && servers.isLive(server),
      diskFailed: server?.diskFailed ?? false,
      chunks: directory.chunksOn(id),
      bytes: directory.bytesOn(id),
      totalBytes: server?.totalBytes ?? 0,
      freeBytes: server?.freeBytes ?? 0,
      lastSeenMs: server ? Math.round(servers.silentMs(server)) : null,
      leftBehind: this.leftOn(id),
      waitsFor: servers.state(id) === "draining" ? this.waitsFor(id) : null,
    };
  }

  /** No new chunks there from now on; what it has is copied elsewhere. Throws `NO_SUCH_SERVER`, `SERVER_STATE`. */
  async drain(id: string): Promise<ChunkserverInfo> {
    const { state } = this.info(id);
    if (state === "removed") {
      throw new MasterError("SERVER_STATE", `the chunkserver ${id} was removed: there is nothing to drain`);
    }
    if (state === "active") await this.setState(id, "draining");
    return this.info(id);
  }

  /** It may have chunks again: also one that was removed, which is then taken in with what it still holds. */
  async undrain(id: string): Promise<ChunkserverInfo> {
    if (this.info(id).state !== "active") await this.setState(id, "active");
    return this.info(id);
  }

  /**
   * It never counts again. Throws `SERVER_STATE` unless it is drained, or with `force` at least does not answer. The
   * answer says how many chunks had their last whole replica there, as far as is known.
   */
  async remove(id: string, force: boolean): Promise<ChunkserverInfo & { lost: number }> {
    const { state, alive } = this.info(id);
    if (state === "removed") return { ...this.info(id), lost: 0 };
    if (state !== "drained") {
      const refuse = (why: string): never => {
        throw new MasterError("SERVER_STATE", why);
      };
      if (!force)
        refuse(`the chunkserver ${id} is ${state}: drain it first, or use --force if it is gone for good`);
      if (alive) refuse(`the chunkserver ${id} answers: drain it; --force is for one that is gone for good`);
    }
    const lost = this.lastReplicasOn(id);
    if (lost > 0) this.parts.log.error("chunks lose their last whole replica", { server: id, chunks: lost });
    await this.setState(id, "removed");
    this.parts.servers.get(id)?.connection.close();
    this.onRemoved(id);
    return { ...this.info(id), lost };
  }

  /**
   * Has the chunkserver begin, pause or go on with its scrub, or only tell of it. Throws `NO_SUCH_SERVER`, `SERVER_STATE`
   * for one that does not answer, and what the chunkserver answers.
   */
  async scrub(id: string, action: ScrubAction): Promise<ScrubControlResponse> {
    if (!this.info(id).alive) {
      throw new MasterError("SERVER_STATE", `the chunkserver ${id} does not answer: start it`);
    }
    return scrubResponse(await this.parts.servers.call(id, ChunkOp.scrub, { action }));
  }

  private async setState(id: string, state: ServerState): Promise<void> {
    const { store, clock, directory, log } = this.parts;
    await store.submit<"setServerState">({ type: "setServerState", server: id, state, at: clock.now() });
    directory.suspect(id);
    log.info("a chunkserver's state was changed", { server: id, state });
  }

  /** A server that nothing is left on is drained. */
  tick(): void {
    const { servers } = this.parts;
    if (this.marking) return;
    const drained = servers
      .ids()
      .find((id) => servers.state(id) === "draining" && servers.isUsable(id) && this.leftOn(id) === 0);
    if (drained === undefined) return;
    this.marking = this.setState(drained, "drained")
      .catch((error: Error) => {
        this.parts.log.debug("a drained server was not marked yet", { error: String(error) });
      })
      .finally(() => {
        this.marking = undefined;
      });
  }

  /** Chunks that still need `id`: those open there, and sealed ones with a replica there. */
  private leftOn(id: string): number {
    const { directory } = this.parts;
    let left = 0;
    for (const handle of directory.handlesOn(id)) if (directory.get(handle)?.state === "sealed") left++;
    for (const handle of directory.open) if (directory.get(handle)!.members.includes(id)) left++;
    return left;
  }

  private lastReplicasOn(id: string): number {
    const { directory, servers } = this.parts;
    let last = 0;
    for (const handle of directory.handlesOn(id)) {
      const chunk = directory.get(handle)!;
      const others = [...chunk.replicas].filter(([other, replica]) => {
        return other !== id && !servers.isGone(other) && isWhole(chunk, replica);
      });
      if (chunk.state === "sealed" && others.length === 0) last++;
    }
    return last;
  }

  /** Why a drain does not come to its end; null while it goes on. */
  private waitsFor(id: string): string | null {
    const { servers } = this.parts;
    if (!servers.isUsable(id)) {
      return "it does not answer: start it, or remove it with --force if it is gone for good";
    }
    if (this.leftOn(id) === 0) return null;
    const others = this.candidates();
    if (others.length < REPLICAS_WANTED) {
      const count = `${others.length} other${others.length === 1 ? "" : "s"}`;
      return `another chunkserver: ${REPLICAS_WANTED} replicas need ${REPLICAS_WANTED} active ones, and there are only ${count}`;
    }
    if (others.filter((other) => roomOn(other) > 0).length < REPLICAS_WANTED) {
      return "room: fewer than three of the other chunkservers have any left";
    }
    return this.repairer.holding && this.repairer.idle
      ? "other chunkservers that are away, to come back"
      : null;
  }

  async close(): Promise<void> {
    await this.marking;
  }
}
