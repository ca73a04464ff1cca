// What a sealed chunk needs next to have its three replicas, on servers that may keep them. Pure.
//
// Invariants
//  R1 a replica is removed only while three others are whole, undamaged, and told by servers that answer now (P8)
//  R2 a copy comes from a whole replica; one that failed a checksum only where there is no other
import { assert } from "../../std/assert.ts";
import { isWhole, type KnownChunk, type KnownReplica } from "./directory.ts";
import { REPLICAS_WANTED } from "./placement.ts";

export type RepairAction =
  /** An unsealed replica that has all of it: it only lacks the seal. */
  | { kind: "seal"; target: string }
  | { kind: "copy"; target: string; source: string }
  /** One replica too many, on a server that is to have none, or a useless one beside enough good ones. */
  | { kind: "remove"; target: string };

export interface RepairPlan {
  /** Good replicas on servers that answer now. */
  sound: number;
  action: RepairAction | undefined;
  /** Nothing is left to do for this chunk. */
  done: boolean;
}

/** What the plan needs to know of the servers. */
export interface ServerView {
  isLive(id: string): boolean;
  /** Silent for so long that its replicas are taken for lost, or removed for good. */
  isGone(id: string): boolean;
  /** It answers, its disk works, and it has told all it has. */
  isUsable(id: string): boolean;
  /** It is drained, or being drained: it gets no replicas, and those it has are to be elsewhere. */
  isLeaving(id: string): boolean;
  diskFailed(id: string): boolean;
  /** It is usable, not leaving, and has room for a copy of `length` bytes. */
  takes(id: string, length: number): boolean;
  /** Other servers that may take a copy, the best first. */
  places(): readonly string[];
  /** Share of its room that our chunks take. */
  usedShare(id: string): number;
  /** Copies that it is the source of now. */
  copiesFrom(id: string): number;
  /** So many are gone, or were until a moment ago, that it must be something else: they are waited for. */
  massLoss: boolean;
}

export function planRepair(chunk: KnownChunk, servers: ServerView): RepairPlan {
  assert(chunk.state === "sealed", "an open chunk is sealed first, and a deleted one left alone");
  const entries = [...chunk.replicas];
  const good = entries
    .filter(([id, replica]) => isSound(chunk, replica) && !servers.diskFailed(id) && !servers.isGone(id))
    .map(([id]) => id);
  const kept = good.filter((id) => !servers.isLeaving(id));
  const sources = good.filter((id) => servers.isLive(id));
  const plan = (action: RepairAction | undefined): RepairPlan => {
    return { sound: sources.length, action, done: action === undefined && kept.length >= REPLICAS_WANTED };
  };

  const sealable = entries.find(([id, replica]) => servers.isUsable(id) && lacksOnlySeal(chunk, id, replica));
  if (sealable) return plan({ kind: "seal", target: sealable[0] });
  const bad = entries.map(([id]) => id).filter((id) => servers.isUsable(id) && !good.includes(id));
  if (kept.length < REPLICAS_WANTED) {
    const source = leastBusy(sources, servers) ?? lastResort(chunk, servers);
    if (source === undefined) return plan(undefined);
    const takes = (id: string): boolean => id !== source && servers.takes(id, chunk.length);
    const target = bad.find(takes) ?? lackingMember(chunk, takes) ?? newPlace(chunk, kept, servers);
    return plan(target === undefined ? undefined : { kind: "copy", target, source });
  }
  const target = superfluous(chunk, bad, kept, servers);
  return plan(target === undefined ? undefined : { kind: "remove", target });
}

function isSound(chunk: KnownChunk, replica: KnownReplica): boolean {
  return isWhole(chunk, replica) && !replica.damaged;
}

/**
 * A member's replica is a prefix of the primary's log: with the length it has all bytes. (A damaged one is copied, and
 * so is one whose seal was tried in vain, which is marked damaged.)
 */
function lacksOnlySeal(chunk: KnownChunk, id: string, replica: KnownReplica): boolean {
  return (
    !replica.sealed &&
    !replica.damaged &&
    replica.version <= chunk.version &&
    replica.length >= chunk.length &&
    chunk.members.includes(id)
  );
}

/** One that has told all it has is surer than one that is still at it. */
function leastBusy(sources: readonly string[], servers: ServerView): string | undefined {
  const cost = (id: string): number => servers.copiesFrom(id) + (servers.isUsable(id) ? 0 : 1_000);
  return sources.toSorted((a, b) => cost(a) - cost(b))[0];
}

/** A whole replica that failed a checksum: a copy verifies all it takes, and the damage may be gone or elsewhere. */
function lastResort(chunk: KnownChunk, servers: ServerView): string | undefined {
  const entries = [...chunk.replicas];
  return entries.find(([id, replica]) => servers.isLive(id) && isWhole(chunk, replica))?.[0];
}

/** A member that answers and has nothing: it lost its disk, or never got the data. */
function lackingMember(chunk: KnownChunk, takes: (id: string) => boolean): string | undefined {
  return chunk.members.find((id) => !chunk.replicas.has(id) && takes(id));
}

/**
 * Another server, unless those that are only away would make it three again: for a moment each, and longer when many
 * vanished together.
 */
function newPlace(chunk: KnownChunk, kept: readonly string[], servers: ServerView): string | undefined {
  const holders = new Set([...chunk.members, ...chunk.replicas.keys()]);
  const missing = [...holders].filter((id) => {
    return !kept.includes(id) && !servers.isUsable(id) && !servers.diskFailed(id) && !servers.isLeaving(id);
  });
  const away = missing.filter((id) => servers.massLoss || !servers.isGone(id));
  if (kept.length + away.length >= REPLICAS_WANTED) return undefined;
  return servers.places().find((id) => !chunk.replicas.has(id) && servers.takes(id, chunk.length));
}

/** R1. A useless replica first, then one where none is to be, then one too many: on the fullest server. */
function superfluous(
  chunk: KnownChunk,
  bad: readonly string[],
  kept: readonly string[],
  servers: ServerView,
): string | undefined {
  const sure = kept.filter((id) => servers.isUsable(id));
  if (sure.length < REPLICAS_WANTED) return undefined;
  const leaving = [...chunk.replicas.keys()].find((id) => servers.isLeaving(id) && servers.isUsable(id));
  const target = bad[0] ?? leaving;
  if (target !== undefined) {
    assert(!sure.includes(target), "what is removed is none of the three that stay");
    return target;
  }
  if (sure.length === REPLICAS_WANTED) return undefined;
  return sure.toSorted((a, b) => servers.usedShare(b) - servers.usedShare(a))[0];
}
