import { describe, expect, test } from "bun:test";
import type { KnownChunk, KnownReplica } from "./directory.ts";
import { planRepair, type ServerView } from "./repair-plan.ts";

const whole: KnownReplica = { version: 2, length: 500, sealed: true, damaged: false };
const unsealed = (length: number): KnownReplica => ({ version: 1, length, sealed: false, damaged: false });
const damaged: KnownReplica = { ...whole, damaged: true };

function chunkOf(replicas: Record<string, KnownReplica>, members = ["a", "b", "c"]): KnownChunk {
  const map = new Map(Object.entries(replicas));
  return { handle: 7, version: 2, state: "sealed", length: 500, members, changedAt: 0, replicas: map };
}

interface Servers {
  live?: string;
  leaving?: string;
  full?: string;
  gone?: string;
  failed?: string;
  unreported?: string;
  massLoss?: boolean;
}

/** Each server is one letter; `live` defaults to a, b, c. */
function view({
  live = "abc",
  leaving = "",
  full = "",
  gone = "",
  failed = "",
  unreported = "",
  massLoss = false,
}: Servers = {}): ServerView {
  const isUsable = (id: string): boolean =>
    live.includes(id) && !failed.includes(id) && !unreported.includes(id);
  const takes = (id: string): boolean => isUsable(id) && !leaving.includes(id) && !full.includes(id);
  return {
    isLive: (id) => live.includes(id),
    isGone: (id) => gone.includes(id),
    isUsable,
    diskFailed: (id) => failed.includes(id),
    isLeaving: (id) => leaving.includes(id),
    takes,
    places: () => [...live].filter((id) => takes(id)),
    usedShare: (id) => 1 / id.charCodeAt(0),
    copiesFrom: () => 0,
    massLoss,
  };
}

describe("the repair of a chunk", () => {
  test.each<[string, KnownChunk, ServerView, ReturnType<typeof planRepair>["action"]]>([
    ["that is whole: nothing", chunkOf({ a: whole, b: whole, c: whole }), view(), undefined],
    [
      "whose member lost its disk: a copy to it",
      chunkOf({ a: whole, b: whole }),
      view(),
      { kind: "copy", target: "c", source: "a" },
    ],
    [
      "with a short replica: a copy over it",
      chunkOf({ a: whole, b: whole, c: unsealed(100) }),
      view(),
      { kind: "copy", target: "c", source: "a" },
    ],
    [
      "with an unsealed replica that is long enough: its seal",
      chunkOf({ a: whole, b: whole, c: unsealed(600) }),
      view(),
      { kind: "seal", target: "c" },
    ],
    [
      "of which no replica is sealed yet: a seal",
      chunkOf({ a: unsealed(500), b: unsealed(500) }),
      view(),
      { kind: "seal", target: "a" },
    ],
    [
      "with a stale replica: a copy over it",
      chunkOf({ a: whole, b: whole, c: { ...whole, version: 1 } }),
      view(),
      { kind: "copy", target: "c", source: "a" },
    ],
    [
      "with a replica of a version that never was: a copy over it",
      chunkOf({ a: whole, b: whole, c: { ...whole, length: 499 } }),
      view(),
      { kind: "copy", target: "c", source: "a" },
    ],
    [
      "with a damaged replica: a copy over it",
      chunkOf({ a: damaged, b: whole, c: whole }),
      view(),
      { kind: "copy", target: "a", source: "b" },
    ],
    [
      "whose replicas are all damaged: what can be copied",
      chunkOf({ a: damaged, b: damaged, c: damaged }),
      view(),
      { kind: "copy", target: "b", source: "a" },
    ],
    [
      "whose only replica is damaged, elsewhere nothing: a copy to a member",
      chunkOf({ a: damaged }),
      view(),
      { kind: "copy", target: "b", source: "a" },
    ],
    [
      "whose only whole replica is away: nothing",
      chunkOf({ a: whole, b: unsealed(100) }),
      view({ live: "bc" }),
      undefined,
    ],
    [
      "whose member is away for a moment: nothing yet",
      chunkOf({ a: whole, b: whole }),
      view({ live: "abd" }),
      undefined,
    ],
    [
      "whose holder is away for a moment: nothing yet",
      chunkOf({ a: whole, b: whole, c: whole }),
      view({ live: "abd" }),
      undefined,
    ],
    [
      "whose member is gone: a copy to another server",
      chunkOf({ a: whole, b: whole }),
      view({ live: "abd", gone: "c" }),
      { kind: "copy", target: "d", source: "a" },
    ],
    [
      "whose holder is gone: a copy to another server",
      chunkOf({ a: whole, b: whole, c: whole }),
      view({ live: "abd", gone: "c" }),
      { kind: "copy", target: "d", source: "a" },
    ],
    [
      "whose holders are mostly gone at once: nothing",
      chunkOf({ a: whole, b: whole }),
      view({ live: "ad", gone: "bc", massLoss: true }),
      undefined,
    ],
    [
      "that was opened on two, while many others are gone: a copy to a third",
      chunkOf({ a: whole, b: whole }, ["a", "b"]),
      view({ live: "abd", gone: "cef", massLoss: true }),
      { kind: "copy", target: "d", source: "a" },
    ],
    [
      "on a disk that failed: a copy to another server",
      chunkOf({ a: whole, b: whole, c: whole }),
      view({ live: "abcd", failed: "c" }),
      { kind: "copy", target: "d", source: "a" },
    ],
    [
      "whose member has not told all it has: nothing yet",
      chunkOf({ a: whole, b: whole }),
      view({ unreported: "c" }),
      undefined,
    ],
    [
      "that was opened on two: a copy to a third",
      chunkOf({ a: whole, b: whole }, ["a", "b"]),
      view(),
      { kind: "copy", target: "c", source: "a" },
    ],
    [
      "that was opened on two, with no third: nothing",
      chunkOf({ a: whole, b: whole }, ["a", "b"]),
      view({ live: "ab" }),
      undefined,
    ],
    [
      "with four replicas: the removal on the fullest server",
      chunkOf({ a: whole, b: whole, c: whole, d: whole }),
      view({ live: "abcd" }),
      { kind: "remove", target: "a" },
    ],
    [
      "with a stale fourth replica: its removal",
      chunkOf({ a: whole, b: whole, c: whole, d: unsealed(3) }),
      view({ live: "abcd" }),
      { kind: "remove", target: "d" },
    ],
    [
      "with a stale fourth replica while one is away: nothing",
      chunkOf({ a: whole, b: whole, c: whole, d: unsealed(3) }),
      view({ live: "abd" }),
      undefined,
    ],
    [
      "with an unsealed replica where it was never opened: a copy over it",
      chunkOf({ a: whole, b: whole, d: unsealed(600) }),
      view({ live: "abd", gone: "c" }),
      { kind: "copy", target: "d", source: "a" },
    ],
    [
      "with a member that has no room: a copy to another server",
      chunkOf({ a: whole, b: whole }),
      view({ live: "abcd", full: "c" }),
      { kind: "copy", target: "d", source: "a" },
    ],
    [
      "with a replica on a server that is being drained: a copy elsewhere",
      chunkOf({ a: whole, b: whole, c: whole }),
      view({ live: "abcd", leaving: "a" }),
      { kind: "copy", target: "d", source: "a" },
    ],
    [
      "with a replica on a server that is being drained, and nowhere else to go: nothing",
      chunkOf({ a: whole, b: whole, c: whole }),
      view({ leaving: "a" }),
      undefined,
    ],
    [
      "with three replicas beside the one that is to leave: its removal",
      chunkOf({ a: whole, b: whole, c: whole, d: whole }),
      view({ live: "abcd", leaving: "b" }),
      { kind: "remove", target: "b" },
    ],
    [
      "with three replicas beside the one that is to leave, one of them away: nothing",
      chunkOf({ a: whole, b: whole, c: whole, d: whole }),
      view({ live: "abc", leaving: "b" }),
      undefined,
    ],
    [
      "with a surplus replica whose server has not told all it has: nothing",
      chunkOf({ a: whole, b: whole, c: whole, d: whole }),
      view({ live: "abcd", unreported: "d" }),
      undefined,
    ],
    [
      "with one sound replica beside two damaged ones: a copy over the first of them",
      chunkOf({ a: damaged, b: damaged, c: whole }),
      view({ live: "abcd" }),
      { kind: "copy", target: "a", source: "c" },
    ],
  ])("%s", (_, chunk, servers, action) => {
    expect(planRepair(chunk, servers).action).toEqual(action);
  });

  test("is done only with three good replicas", () => {
    expect(planRepair(chunkOf({ a: whole, b: whole, c: whole }), view()).done).toBe(true);
    expect(planRepair(chunkOf({ a: whole, b: whole }, ["a", "b"]), view({ live: "ab" })).done).toBe(false);
  });
});
