// At which length a chunk is sealed, from what its fenced members have on disk. Pure.
//
// Every replica is a prefix of the primary's log, so any member's length is a border between records, and a member
// with at least that length holds the same bytes up to it. Two bounds:
//
//  - `committed`, the end of the last extent that an object ever referred to, is a floor without exception: those
//    bytes were promised (P1).
//  - An append is acknowledged to its writer once 2 members have it on disk. No member has acknowledged anything behind
//    its limit (its length, unless damage or a torn tail hides what it had; chunkd/FORMAT.md), and one that does not
//    answer may have acknowledged anything. So nothing behind the second largest limit was acknowledged, the silent
//    ones counted as endless: for 3 of 3 that is the second largest answer, for 2 of 3 the larger; with 2 members, 2
//    answers give the smaller, and 1 answer alone suffices, because a quorum of 2 members is both of them. A primary
//    that has been one since it opened the chunk knows better: what it has acknowledged itself is the bound.
//
// The smallest length that reaches both is taken, so that as many replicas as can be are whole. Where none does, those
// that are silent are waited for until they count as gone. Then the largest answer that reaches the floor is taken: an
// acknowledged record may be cut off that no object refers to yet, and its writer is told STALE_EXTENT when it tries
// to commit it and writes it again. Nobody was promised it.
//
// A member whose disk failed cannot be sealed: a chunk sealed at a length that it alone has would have no whole replica to
// copy. So a length that the others reach is taken, if need be the largest that they have, above the floor; its own counts
// where another has as much, and is whole then when its disk serves again and the others are lost. One that cannot read its
// file (CHECKSUM) may have acknowledged anything, as a silent one; but it is not waited for, since it has answered.
//
// The same goes for a server that lost its disk and answers "nothing": it breaks the arithmetic, not the floor.

/** Of the members, so many have an acknowledged record on disk. */
const QUORUM = 2;

export interface MemberAnswer {
  id: string;
  /** Durable length; 0 when it has no such chunk. */
  length: number;
  /** It has acknowledged nothing behind this; absent: its length. */
  limit?: number;
  /** Only of a primary that has not been restarted: what it has acknowledged to its writer. */
  acknowledged?: number;
  /** Nothing can be sealed there. */
  diskFailed?: boolean;
}

export type SealDecision =
  | { kind: "seal"; length: number }
  /** Too few answers: ask again. */
  | { kind: "wait" }
  /** No member reaches what objects refer to: a member that does is missing, or data was lost. */
  | { kind: "short"; longest: number };

/** `isLastResort`: the members that did not answer are taken for lost. */
export function decideSealLength(
  members: number,
  answers: readonly MemberAnswer[],
  committed: number,
  isLastResort: boolean,
): SealDecision {
  const isComplete = answers.length === members || isLastResort;
  const sealable = Math.max(-1, ...lengthsOf(answers.filter(({ diskFailed }) => !diskFailed)));
  const lengths = lengthsOf(answers.filter(({ diskFailed, length }) => !diskFailed || length <= sealable));
  const all = lengthsOf(answers);
  // What only failed disks have can be read there, and may be on a member that is still silent.
  const isOnFailedDisk = (lengths.at(-1) ?? -1) < committed && (all.at(-1) ?? -1) >= committed;
  if (isOnFailedDisk && isComplete) lengths.push(all.find((candidate) => candidate >= committed)!);
  const longest = lengths.at(-1);
  if (longest === undefined || (isOnFailedDisk && !isComplete)) return { kind: "wait" };
  const bound = acknowledgedBound(members, answers);
  const length = lengths.find((candidate) => candidate >= Math.max(committed, bound));
  if (length !== undefined) return { kind: "seal", length };
  if (longest < committed && Number.isFinite(bound)) return { kind: "short", longest };
  if (!isComplete) return { kind: "wait" };
  return longest >= committed ? { kind: "seal", length: longest } : { kind: "short", longest };
}

function lengthsOf(answers: readonly MemberAnswer[]): number[] {
  return answers.map(({ length }) => length).sort((a, b) => a - b);
}

function acknowledgedBound(members: number, answers: readonly MemberAnswer[]): number {
  const limits = answers.map(({ length, limit = length }) => Math.max(length, limit)).sort((a, b) => b - a);
  const silent = members - answers.length;
  const bound = silent >= QUORUM ? Number.POSITIVE_INFINITY : (limits[QUORUM - 1 - silent] ?? 0);
  const told = answers.flatMap(({ acknowledged }) => (acknowledged === undefined ? [] : [acknowledged]));
  return Math.min(bound, ...told);
}
