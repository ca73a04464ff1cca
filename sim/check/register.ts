// Linearizability of one key, as a register that may be empty. Just-in-time linearization (Lowe, "Testing for
// linearizability", 2017): time is walked once, and only when an operation returns do the ways fan out in which it may
// have taken effect.
//
// Two facts keep the fan small. An operation that changes nothing is best done as soon as it may be, so it never forks.
// And of two ways to the same state, the one that used up less of what may never have happened can do all the other can.

/** A value's identity, or null for "no object". */
export type State = string | null;

/** What an operation shows of the state at the moment of its effect. */
export type Requirement =
  | { is: "anything" }
  | { is: "absent" }
  | { is: "present" }
  | { is: "one of"; values: ReadonlySet<string> }
  /** Present, and none of these. */
  | { is: "other than"; values: ReadonlySet<string> };

export interface RegisterOperation {
  /** For messages: "client 3: PUT w17". */
  label: string;
  /** Moments of a total order; `end` is undefined when nobody heard how it went. */
  start: number;
  end: number | undefined;
  requires: Requirement;
  /** The state afterwards; absent: it stays as it is. */
  sets?: State;
}

export type RegisterVerdict =
  | { kind: "linearizable" }
  | { kind: "violation"; operation: RegisterOperation; states: State[] }
  /** The ways were too many to look at all of them. */
  | { kind: "undecided"; operation: RegisterOperation };

/** Ways looked at for one return. Histories of the workload need a few dozen. */
const WAYS_MAX = 50_000;

/** One way in which the past may have been, as far as it matters. */
interface Way {
  state: State;
  /** Bits of open operations that have taken effect: of those that will return, */
  done: bigint;
  /** of those that never will, */
  used: bigint;
  /** and of those that change nothing. */
  seen: bigint;
}

interface Open {
  operation: RegisterOperation;
  bit: bigint;
  group: "done" | "used" | "seen";
}

export function allows(requirement: Requirement, state: State): boolean {
  switch (requirement.is) {
    case "anything":
      return true;
    case "absent":
      return state === null;
    case "present":
      return state !== null;
    case "one of":
      return state !== null && requirement.values.has(state);
    case "other than":
      return state !== null && !requirement.values.has(state);
  }
}

/**
 * Whether there is an order of `operations`, each at one moment between its start and its end, in which each shows what
 * it showed. Those without an end may also never have happened.
 */
export function checkRegister(
  operations: readonly RegisterOperation[],
  initial: State = null,
): RegisterVerdict {
  const possible = operations.filter((one) => one.end !== undefined || one.sets !== undefined);
  const seen = new Set<string>();
  for (const { requires, end } of possible) {
    if (requires.is === "one of" && end !== undefined) for (const value of requires.values) seen.add(value);
  }
  // Most of what may have happened left no trace: try without it first.
  const traced = possible.filter(
    ({ end, sets }) => end !== undefined || sets === null || (sets !== undefined && seen.has(sets)),
  );
  const first = new RegisterCheck(initial).run(traced);
  if (first.kind === "linearizable" || traced.length === possible.length) return first;
  return new RegisterCheck(initial).run(possible);
}

class RegisterCheck {
  private ways: WaySet;
  private readonly open = new Map<RegisterOperation, Open>();
  private readonly bits = { done: new BitPool(), used: new BitPool(), seen: new BitPool() };

  constructor(initial: State) {
    this.ways = new WaySet();
    this.ways.add({ state: initial, done: 0n, used: 0n, seen: 0n });
  }

  run(operations: readonly RegisterOperation[]): RegisterVerdict {
    const moments: { at: number; operation: RegisterOperation; isStart: boolean }[] = [];
    for (const operation of operations) {
      moments.push({ at: operation.start, operation, isStart: true });
      if (operation.end !== undefined) moments.push({ at: operation.end, operation, isStart: false });
    }
    moments.sort((a, b) => a.at - b.at);
    for (const { operation, isStart } of moments) {
      if (isStart) {
        this.start(operation);
        continue;
      }
      const before = this.ways;
      const verdict = this.finish(operation);
      if (verdict === "too many") return { kind: "undecided", operation };
      if (this.ways.size === 0) {
        const states = new Set([...before.all()].map(({ state }) => state));
        return { kind: "violation", operation, states: [...states] };
      }
    }
    return { kind: "linearizable" };
  }

  private start(operation: RegisterOperation): void {
    const group = operation.sets === undefined ? "seen" : operation.end === undefined ? "used" : "done";
    this.open.set(operation, { operation, group, bit: this.bits[group].take() });
    if (group !== "seen") return;
    const ways = new WaySet();
    for (const way of this.ways.all()) ways.add(this.look(way));
    this.ways = ways;
  }

  /** Does everything that changes nothing and may be done in this state. */
  private look(way: Way): Way {
    let { seen } = way;
    for (const { operation, group, bit } of this.open.values()) {
      if (group === "seen" && (seen & bit) === 0n && allows(operation.requires, way.state)) seen |= bit;
    }
    return seen === way.seen ? way : { ...way, seen };
  }

  /** Keeps the ways in which `operation` has taken effect, and adds those in which it still can. */
  private finish(operation: RegisterOperation): "too many" | undefined {
    const { group, bit } = this.open.get(operation)!;
    const finished = new WaySet();
    const tried = new WaySet();
    let edge: Way[] = [];
    for (const way of this.ways.all()) {
      if ((way[group] & bit) !== 0n) finished.add(way);
      else if (tried.add(way)) edge.push(way);
    }
    while (edge.length > 0) {
      const next: Way[] = [];
      for (const way of edge) {
        for (const open of this.open.values()) {
          if (open.group === "seen" || (way[open.group] & open.bit) !== 0n) continue;
          if (!allows(open.operation.requires, way.state)) continue;
          const state = open.operation.sets as State;
          const then = this.look({ ...way, state, [open.group]: way[open.group] | open.bit });
          if ((then[group] & bit) !== 0n) finished.add(then);
          else if (tried.add(then)) next.push(then);
        }
      }
      if (tried.size > WAYS_MAX) return "too many";
      edge = next;
    }
    this.open.delete(operation);
    this.bits[group].give(bit);
    this.ways = new WaySet();
    for (const way of finished.all()) this.ways.add({ ...way, [group]: way[group] & ~bit });
    return undefined;
  }
}

/** Ways without those that another can stand in for. */
class WaySet {
  private readonly byKey = new Map<string, Way[]>();
  size = 0;

  /** False when a way that is here already can do all that this one can. */
  add(way: Way): boolean {
    const key = `${way.done.toString(36)}/${way.state ?? ""}/${way.state === null}`;
    const alike = this.byKey.get(key);
    if (!alike) {
      this.byKey.set(key, [way]);
      this.size++;
      return true;
    }
    if (alike.some((other) => covers(other, way))) return false;
    const kept = alike.filter((other) => !covers(way, other));
    kept.push(way);
    this.size += kept.length - alike.length;
    this.byKey.set(key, kept);
    return true;
  }

  *all(): Iterable<Way> {
    for (const alike of this.byKey.values()) yield* alike;
  }
}

/** Whether `a` has used no more of what may never have happened, and done no less of what has to have. */
function covers(a: Way, b: Way): boolean {
  return (a.used & ~b.used) === 0n && (b.seen & ~a.seen) === 0n;
}

class BitPool {
  private readonly free: bigint[] = [];
  private next = 1n;

  take(): bigint {
    const bit = this.free.pop() ?? this.next;
    if (bit === this.next) this.next <<= 1n;
    return bit;
  }

  give(bit: bigint): void {
    this.free.push(bit);
  }
}
