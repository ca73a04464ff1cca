// Patterns with `*` (any text) and `?` (any one UTF-16 unit), in time and memory that no pattern can blow up. What stands
// before the first `*` and behind the last is compared in place. Every part between is searched for once, leftmost first,
// in the text that is left: a later place could only leave less room for the parts that follow. Either search reads each
// unit of the text once.
import { assert } from "../assert.ts";

export const ANY_TEXT = Symbol("*");
export const ANY_UNIT = Symbol("?");
export type GlobToken = string | typeof ANY_TEXT | typeof ANY_UNIT;

/** What is read of a text; tests count the reads. */
export type Text = Pick<string, "length" | "charCodeAt">;

const ANY = -1;

/** A part between two `*` that has a `?` is no longer: a bit for each unit, in one number. */
export const WILD_PART_LENGTH_MAX = 32;

interface Part {
  /** Where the first occurrence in text[from, end) ends; -1 if there is none. */
  endOfFirst(text: Text, from: number, end: number): number;
}

export class Glob {
  /** The whole pattern, if it has no wildcard. */
  readonly exact: string | null;
  private readonly head: Int32Array;
  /** null: there is no `*`. */
  private readonly tail: Int32Array | null;
  private readonly between: readonly Part[];
  private readonly lengthMin: number;

  constructor(tokens: readonly GlobToken[]) {
    this.exact = tokens.every((token) => typeof token === "string") ? tokens.join("") : null;
    const parts = this.exact === null ? splitAtStars(tokens) : [NOTHING];
    const last = parts.length - 1;
    this.head = parts[0]!;
    this.tail = last === 0 ? null : parts[last]!;
    this.between = parts
      .slice(1, Math.max(last, 1))
      .filter(({ length }) => length > 0)
      .map((units) => (units.includes(ANY) ? new WildPart(units) : new PlainPart(units)));
    this.lengthMin = parts.reduce((sum, { length }) => sum + length, 0);
  }

  /** Whether matching may read a text to its end, in search of something. */
  get searches(): boolean {
    return this.between.length > 0;
  }

  matches(text: Text): boolean {
    if (this.exact !== null) return text === this.exact;
    const { head, tail } = this;
    if (text.length < this.lengthMin || !isAt(head, text, 0)) return false;
    if (tail === null) return text.length === head.length;
    const end = text.length - tail.length;
    if (!isAt(tail, text, end)) return false;
    let at = head.length;
    for (const part of this.between) {
      at = part.endOfFirst(text, at, end);
      if (at < 0) return false;
    }
    return true;
  }
}

const NOTHING = new Int32Array(0);

function splitAtStars(tokens: readonly GlobToken[]): Int32Array[] {
  const parts: number[][] = [[]];
  for (const token of tokens) {
    const part = parts[parts.length - 1]!;
    if (token === ANY_TEXT) parts.push([]);
    else if (token === ANY_UNIT) part.push(ANY);
    else for (let at = 0; at < token.length; at++) part.push(token.charCodeAt(at));
  }
  return parts.map((units) => Int32Array.from(units));
}

function isAt(units: Int32Array, text: Text, from: number): boolean {
  for (let at = 0; at < units.length; at++) {
    const unit = units[at]!;
    if (unit !== ANY && unit !== text.charCodeAt(from + at)) return false;
  }
  return true;
}

/** Without `?`: when a unit does not fit, goes on with the longest beginning that still does (Knuth, Morris, Pratt). */
class PlainPart implements Part {
  /** After i + 1 units: how many of the first ones are also the last ones of these. */
  private readonly borders: Int32Array;

  constructor(private readonly units: Int32Array) {
    this.borders = new Int32Array(units.length);
    for (let at = 1, border = 0; at < units.length; at++) {
      while (border > 0 && units[at] !== units[border]) border = this.borders[border - 1]!;
      if (units[at] === units[border]) border++;
      this.borders[at] = border;
    }
  }

  endOfFirst(text: Text, from: number, end: number): number {
    const { units, borders } = this;
    let fitting = 0;
    for (let at = from; at < end; at++) {
      const unit = text.charCodeAt(at);
      while (fitting > 0 && unit !== units[fitting]) fitting = borders[fitting - 1]!;
      if (unit === units[fitting]) fitting++;
      if (fitting === units.length) return at + 1;
    }
    return -1;
  }
}

/** With `?`: bit i of the state says that the text so far ends with the first i + 1 units (shift-and). */
class WildPart implements Part {
  /** For each unit, the bits of the places where it may stand. */
  private readonly places = new Map<number, number>();
  private readonly placesOfOthers: number;
  private readonly lastBit: number;

  constructor(units: Int32Array) {
    assert(units.length <= WILD_PART_LENGTH_MAX, "a part with a ? has a bit for each unit");
    let any = 0;
    units.forEach((unit, at) => {
      if (unit === ANY) any |= 1 << at;
    });
    units.forEach((unit, at) => {
      if (unit !== ANY) this.places.set(unit, (this.places.get(unit) ?? any) | (1 << at));
    });
    this.placesOfOthers = any;
    this.lastBit = 1 << (units.length - 1);
  }

  endOfFirst(text: Text, from: number, end: number): number {
    let state = 0;
    for (let at = from; at < end; at++) {
      state = ((state << 1) | 1) & (this.places.get(text.charCodeAt(at)) ?? this.placesOfOthers);
      if ((state & this.lastBit) !== 0) return at + 1;
    }
    return -1;
  }
}
