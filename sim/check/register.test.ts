import { describe, expect, test } from "bun:test";
import { checkRegister, type RegisterOperation, type Requirement, type State } from "./register.ts";
import { isLinearizable } from "./testing/brute-force.ts";

const value = (...values: string[]): Requirement => ({ is: "one of", values: new Set(values) });
const ANY: Requirement = { is: "anything" };
const ABSENT: Requirement = { is: "absent" };

/** `put(1, 4, "a")`: a write of "a" that began at 1 and was answered at 4. */
const put = (
  start: number,
  end: number | undefined,
  sets: State,
  requires: Requirement = ANY,
): RegisterOperation => {
  return { label: `set ${sets}`, start, end, requires, sets };
};
const see = (start: number, end: number, requires: Requirement): RegisterOperation => {
  return { label: "see", start, end, requires };
};
const verdict = (...operations: RegisterOperation[]): string => checkRegister(operations).kind;

describe("legal histories", () => {
  test("writes and reads one after another", () => {
    expect(
      verdict(see(1, 2, ABSENT), put(3, 4, "a"), see(5, 6, value("a")), put(7, 8, null), see(9, 10, ABSENT)),
    ).toBe("linearizable");
  });

  test("a read beside a write sees either", () => {
    expect(verdict(put(1, 10, "a"), see(2, 3, ABSENT))).toBe("linearizable");
    expect(verdict(put(1, 10, "a"), see(2, 3, value("a")))).toBe("linearizable");
  });

  test("two writes beside each other may stay in either order", () => {
    const writes = [put(1, 10, "a"), put(2, 9, "b")];
    expect(verdict(...writes, see(11, 12, value("a")))).toBe("linearizable");
    expect(verdict(...writes, see(11, 12, value("b")))).toBe("linearizable");
  });

  test("a write that nobody was told of may happen late, or never", () => {
    const lost = put(1, undefined, "a");
    expect(verdict(lost, see(2, 3, ABSENT), see(50, 51, value("a")))).toBe("linearizable");
    expect(verdict(lost, see(2, 3, ABSENT), see(50, 51, ABSENT))).toBe("linearizable");
  });

  test("a lost write that nobody saw may explain a refused condition", () => {
    expect(verdict(put(1, undefined, "a"), see(2, 3, { is: "present" }))).toBe("linearizable");
  });

  test("one of two racing conditional writes wins, the other is refused", () => {
    expect(verdict(put(1, 5, "a", ABSENT), see(2, 6, { is: "present" }), see(7, 8, value("a")))).toBe(
      "linearizable",
    );
  });
});

describe("planted violations", () => {
  test("an acknowledged write that is not there", () => {
    expect(verdict(put(1, 2, "a"), see(3, 4, ABSENT))).toBe("violation");
  });

  test("a deleted value that comes back", () => {
    expect(verdict(put(1, 2, "a"), put(3, 4, null), see(5, 6, value("a")))).toBe("violation");
  });

  test("an overwritten value that comes back after the new one was seen", () => {
    expect(verdict(put(1, 2, "a"), put(3, 20, "b"), see(4, 5, value("b")), see(6, 7, value("a")))).toBe(
      "violation",
    );
  });

  test("a value that was never written", () => {
    expect(verdict(put(1, 2, "a"), see(3, 4, value("x")))).toBe("violation");
  });

  test("a value seen before it was written", () => {
    expect(verdict(see(1, 2, value("a")), put(3, 4, "a"))).toBe("violation");
  });

  test("a lost write that happened twice", () => {
    expect(
      verdict(
        put(1, undefined, "a"),
        put(2, 3, "b"),
        see(4, 5, value("a")),
        put(6, 7, "c"),
        see(8, 9, value("a")),
      ),
    ).toBe("violation");
  });

  test("two winners of one If-None-Match", () => {
    expect(verdict(put(1, 5, "a", ABSENT), put(2, 6, "b", ABSENT))).toBe("violation");
  });

  test("a conditional write refused though the key was never there", () => {
    expect(verdict(see(1, 2, { is: "present" }))).toBe("violation");
  });

  test("the first operation that fits no order is named", () => {
    const wrong = see(5, 6, value("a"));
    const result = checkRegister([put(1, 2, "a"), put(3, 4, "b"), wrong, see(7, 8, value("b"))]);
    expect(result).toEqual({ kind: "violation", operation: wrong, states: ["b"] });
  });
});

/** mulberry32. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return Math.floor((((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

function randomOperation(draw: (below: number) => number, moments: number[]): RegisterOperation {
  const [first, second] = moments.splice(0, 2) as [number, number];
  const letters = ["a", "b", "c"];
  const letter = (): string => letters[draw(letters.length)]!;
  const requirements: Requirement[] = [
    ANY,
    ABSENT,
    { is: "present" },
    value(letter()),
    value(letter(), letter()),
    { is: "other than", values: new Set([letter()]) },
  ];
  const requires = requirements[draw(requirements.length)]!;
  const times = { start: Math.min(first, second), end: Math.max(first, second) as number | undefined };
  const kind = draw(3);
  if (kind === 0) return { label: "see", ...times, requires };
  if (draw(4) === 0) times.end = undefined;
  const isPlain = draw(2) === 0;
  return { label: "set", ...times, requires: isPlain ? ANY : requires, sets: kind === 1 ? letter() : null };
}

test("agrees with trying every order, on thousands of random histories", () => {
  const counts = { linearizable: 0, violation: 0 };
  for (let seed = 1; seed <= 6000; seed++) {
    const draw = seeded(seed);
    const count = 2 + draw(6);
    const moments = Array.from({ length: count * 2 }, (_, index) => index);
    for (let i = moments.length - 1; i > 0; i--) {
      // Mostly near each other, so that histories are neither all at once nor all in a row.
      const j = Math.max(0, i - draw(5));
      [moments[i], moments[j]] = [moments[j]!, moments[i]!];
    }
    const operations = Array.from({ length: count }, () => randomOperation(draw, moments));
    const expected = isLinearizable(operations) ? "linearizable" : "violation";
    const actual = checkRegister(operations).kind;
    if (actual !== expected)
      throw new Error(`seed ${seed}: ${actual}, not ${expected}: ${JSON.stringify(operations)}`);
    counts[expected]++;
  }
  // Both verdicts are really tried.
  expect(counts.linearizable).toBeGreaterThan(1000);
  expect(counts.violation).toBeGreaterThan(1000);
});

test("a thousand operations of ten clients, a tenth of them lost, are decided at once", () => {
  const draw = seeded(7);
  const operations: RegisterOperation[] = [];
  let state: State = null;
  // Effects happen in order of the loop; intervals around them overlap widely.
  for (let at = 0; at < 2000; at++) {
    const start = at * 10 - draw(90);
    const end = at * 10 + 1 + draw(90);
    const kind = draw(10);
    if (kind === 0) {
      if (draw(2) === 0) state = `lost ${at}`;
      operations.push({ ...put(start, undefined, `lost ${at}`), label: `lost ${at}` });
    } else if (kind <= 3) {
      state = draw(4) === 0 ? null : `v${at}`;
      operations.push(put(start, end, state));
    } else operations.push(see(start, end, state === null ? ABSENT : value(state)));
  }
  const times = operations.flatMap((one, index) => [
    { one, index, at: one.start, isStart: true },
    ...(one.end === undefined ? [] : [{ one, index, at: one.end, isStart: false }]),
  ]);
  times.sort((a, b) => a.at - b.at || a.index - b.index);
  for (const [order, { one, isStart }] of times.entries()) {
    if (isStart) one.start = order;
    else one.end = order;
  }
  const before = performance.now();
  expect(checkRegister(operations).kind).toBe("linearizable");
  expect(performance.now() - before).toBeLessThan(5_000);
});
