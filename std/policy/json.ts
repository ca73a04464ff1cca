// JSON read so that nothing in the text is passed over: JSON.parse keeps the last of two members with the same name, so
// that a reviewer and the program may see two different policies.
import { memberOf, PolicyError, ROOT } from "./errors.ts";
import { DOCUMENT_BYTES_MAX, NESTING_MAX } from "./limits.ts";

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
/** A Map, so that a member called `__proto__` is a name like any other. */
export type JsonObject = ReadonlyMap<string, Json>;

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const STRING = /"(?:[^"\\]|\\.)*"/sy;
const WORDS: readonly [string, Json][] = [
  ["true", true],
  ["false", false],
  ["null", null],
];

/** The value of a JSON text, or of what a JSON parser made of one. Throws {@link PolicyError}. */
export function readJson(document: unknown): Json {
  if (typeof document === "string") {
    if (Buffer.byteLength(document) > DOCUMENT_BYTES_MAX) throw tooLarge();
    return new Reader(document).read();
  }
  const budget = { left: DOCUMENT_BYTES_MAX };
  return fromValue(document, ROOT, 0, budget);
}

function tooLarge(): PolicyError {
  return new PolicyError("too_large", ROOT, `has more than ${DOCUMENT_BYTES_MAX} bytes; split it`);
}

function tooDeep(place: string): PolicyError {
  return new PolicyError("too_large", place, `is nested more than ${NESTING_MAX} levels deep`);
}

class Reader {
  private at = 0;

  constructor(private readonly text: string) {}

  read(): Json {
    const value = this.value(ROOT, 0);
    this.take(SPACE);
    if (this.at < this.text.length) throw this.malformed("ends here, but more text follows");
    return value;
  }

  private value(place: string, depth: number): Json {
    this.take(SPACE);
    const first = this.text[this.at];
    if (first === "{") return this.object(place, depth + 1);
    if (first === "[") return this.array(place, depth + 1);
    if (first === '"') return this.string();
    const number = this.take(NUMBER);
    if (number !== "") return Number(number);
    for (const [word, value] of WORDS) {
      if (!this.text.startsWith(word, this.at)) continue;
      this.at += word.length;
      return value;
    }
    throw this.malformed("a JSON value is expected");
  }

  private object(place: string, depth: number): JsonObject {
    if (depth > NESTING_MAX) throw tooDeep(place);
    const members = new Map<string, Json>();
    this.at++;
    if (this.ends("}")) return members;
    do {
      this.take(SPACE);
      if (this.text[this.at] !== '"') throw this.malformed("a member's name in double quotes is expected");
      const name = this.string();
      const where = memberOf(place, name);
      if (members.has(name)) throw new PolicyError("duplicate_key", where, "is there twice; keep one");
      this.take(SPACE);
      if (this.text[this.at++] !== ":") throw this.malformed('":" is expected', -1);
      members.set(name, this.value(where, depth));
    } while (this.goesOn("}"));
    return members;
  }

  private array(place: string, depth: number): Json[] {
    if (depth > NESTING_MAX) throw tooDeep(place);
    const items: Json[] = [];
    this.at++;
    if (this.ends("]")) return items;
    do {
      items.push(this.value(memberOf(place, items.length), depth));
    } while (this.goesOn("]"));
    return items;
  }

  private string(): string {
    const quoted = this.take(STRING);
    if (quoted === "") throw this.malformed("a text begins here and never ends");
    let text: string;
    try {
      text = JSON.parse(quoted) as string;
    } catch {
      throw this.malformed("the text before has a control character or an unknown escape");
    }
    if (!text.isWellFormed()) throw this.malformed("the text before has half a surrogate pair");
    return text;
  }

  private ends(bracket: string): boolean {
    this.take(SPACE);
    if (this.text[this.at] !== bracket) return false;
    this.at++;
    return true;
  }

  /** Whether another item follows; false behind `bracket`. */
  private goesOn(bracket: string): boolean {
    if (this.ends(bracket)) return false;
    if (this.text[this.at++] !== ",") throw this.malformed(`"," or "${bracket}" is expected`, -1);
    return true;
  }

  private take(token: RegExp): string {
    token.lastIndex = this.at;
    const found = token.exec(this.text)?.[0] ?? "";
    this.at += found.length;
    return found;
  }

  private malformed(what: string, offset = 0): PolicyError {
    const before = this.text.slice(0, this.at + offset);
    const line = before.split("\n").length;
    const column = before.length - before.lastIndexOf("\n");
    return new PolicyError("malformed_json", ROOT, `is no JSON: line ${line}, column ${column}: ${what}`);
  }
}

/** About what the value would take as text is taken from `budget`, so that a cycle or a giant ends early. */
function fromValue(value: unknown, place: string, depth: number, budget: { left: number }): Json {
  budget.left -= typeof value === "string" ? Buffer.byteLength(value) + 2 : 1;
  if (budget.left < 0) throw tooLarge();
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (Array.isArray(value)) {
    if (depth >= NESTING_MAX) throw tooDeep(place);
    return value.map((item, index) => fromValue(item, memberOf(place, index), depth + 1, budget));
  }
  if (typeof value === "object" && isPlain(value)) {
    if (depth >= NESTING_MAX) throw tooDeep(place);
    const members = new Map<string, Json>();
    for (const [name, member] of Object.entries(value)) {
      budget.left -= name.length;
      members.set(name, fromValue(member, memberOf(place, name), depth + 1, budget));
    }
    return members;
  }
  throw new PolicyError("wrong_type", place, "is nothing that JSON can hold");
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
