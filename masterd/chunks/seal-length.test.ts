import { describe, expect, test } from "bun:test";
import { decideSealLength, type MemberAnswer, type SealDecision } from "./seal-length.ts";

const seal = (length: number): SealDecision => ({ kind: "seal", length });
const wait: SealDecision = { kind: "wait" };
const of = (length: number, more: Partial<MemberAnswer> = {}): MemberAnswer => ({ id: "s", length, ...more });
const torn = (...lengths: number[]): MemberAnswer[] => lengths.map((length) => of(length, { limit: 900 }));

describe("the length of a seal", () => {
  test.each<[string, number, number[], number, boolean, SealDecision]>([
    [
      "3 of 3: the second largest, since an acknowledged record is on two",
      3,
      [300, 200, 100],
      0,
      false,
      seal(200),
    ],
    ["3 of 3, one of them empty", 3, [300, 300, 0], 0, false, seal(300)],
    ["3 of 3, an append that reached the primary alone", 3, [300, 200, 200], 200, false, seal(200)],
    [
      "2 of 3: the larger, since the third may have been the other half of the quorum",
      3,
      [200, 100],
      0,
      false,
      seal(200),
    ],
    ["1 of 3: the others are waited for", 3, [200], 100, false, wait],
    ["1 of 3, the others gone", 3, [200], 200, true, seal(200)],
    [
      "1 of 3, the others gone, and it lacks what was committed",
      3,
      [200],
      201,
      true,
      { kind: "short", longest: 200 },
    ],
    ["2 of 2: the smaller, since a quorum is both", 2, [300, 200], 200, false, seal(200)],
    ["1 of 2: it has every acknowledged record", 2, [200], 200, false, seal(200)],
    ["1 of 2, and it lacks what was committed", 2, [200], 201, false, { kind: "short", longest: 200 }],
    ["no answer", 3, [], 0, true, wait],
    ["two members lost their disks: the one that has it all", 3, [500, 0, 0], 400, false, seal(500)],
    ["two members lost their disks, the third is away", 3, [0, 0], 400, false, { kind: "short", longest: 0 }],
    ["nothing was ever written", 3, [0, 0, 0], 0, false, seal(0)],
  ])("%s", (_, members, lengths, committed, isLastResort, expected) => {
    for (const order of [lengths, [...lengths].reverse()]) {
      const answers = order.map((length, i) => ({ id: `s${i}`, length }));
      expect(decideSealLength(members, answers, committed, isLastResort)).toEqual(expected);
    }
  });

  test.each<[string, MemberAnswer[], number, SealDecision]>([
    [
      "a torn tail that one member may have acknowledged: what the other two agree on",
      [of(200, { limit: 900 }), of(300), of(300)],
      0,
      seal(300),
    ],
    ["torn tails on all three, and nothing more to be learnt", torn(200, 300, 300), 0, seal(300)],
    ["torn tails on two, the third away: it is waited for", torn(200, 300), 0, wait],
    ["a tail that hides what was committed", torn(200, 300, 300), 400, { kind: "short", longest: 300 }],
    [
      "2 of 3, and the primary has acknowledged less",
      [of(500, { acknowledged: 400 }), of(400)],
      300,
      seal(400),
    ],
    ["the primary alone, which has acknowledged less", [of(500, { acknowledged: 400 })], 450, seal(500)],
    [
      "a damaged file and a silent member, which may both have had more: the silent one is waited for",
      [of(0, { limit: Number.POSITIVE_INFINITY }), of(200)],
      0,
      wait,
    ],
    [
      "a damaged file and two good ones: the larger, the other half of whose quorum may be the damaged one",
      [of(0, { limit: Number.POSITIVE_INFINITY }), of(200), of(300)],
      0,
      seal(300),
    ],
    [
      "two damaged files: what the third has, since nothing more is to be learnt",
      [of(0, { limit: Number.POSITIVE_INFINITY }), of(0, { limit: Number.POSITIVE_INFINITY }), of(200)],
      0,
      seal(200),
    ],
    [
      "a failed disk that has the most of all: what the others agree on",
      [of(400, { diskFailed: true }), of(300), of(300)],
      300,
      seal(300),
    ],
    [
      "a failed disk that has the most, and a silent member, which may be the other half of its quorum",
      [of(400, { diskFailed: true }), of(300)],
      300,
      wait,
    ],
    [
      "two failed disks that have more: what can be sealed",
      [of(400, { diskFailed: true }), of(400, { diskFailed: true }), of(300)],
      300,
      seal(300),
    ],
    [
      "two failed disks that alone have what was committed: no length below it is taken",
      [of(400, { diskFailed: true }), of(450, { diskFailed: true }), of(300)],
      350,
      seal(400),
    ],
    [
      "a failed disk that has what was committed, while a silent member may have it as well",
      [of(400, { diskFailed: true }), of(300)],
      350,
      wait,
    ],
    [
      "a failed disk that has all that counts, and another that has more: no more than both have",
      [of(300, { diskFailed: true }), of(400), of(200)],
      300,
      seal(300),
    ],
    ["failed disks only, and a silent member", [of(400, { diskFailed: true })], 0, wait],
    ["the primary acknowledged what it has", [of(500, { acknowledged: 500 }), of(400)], 300, seal(500)],
  ])("with %s", (_, answers, committed, expected) => {
    expect(decideSealLength(3, answers, committed, false)).toEqual(expected);
    expect(decideSealLength(3, answers.toReversed(), committed, false)).toEqual(expected);
  });

  test("is never below a committed record, for every way in which two of three have it", () => {
    for (const holders of [
      [0, 1],
      [0, 2],
      [1, 2],
      [0, 1, 2],
    ]) {
      for (const asked of [
        [0, 1, 2],
        [0, 1],
        [0, 2],
        [1, 2],
      ]) {
        for (const extra of [0, 50]) {
          const answers = asked.map((i) => ({
            id: `s${i}`,
            length: holders.includes(i) ? 400 + (i === 0 ? extra : 0) : 100,
          }));
          const decision = decideSealLength(3, answers, 400, false);
          expect(decision.kind === "seal" && decision.length >= 400).toBe(true);
        }
      }
    }
  });
});
