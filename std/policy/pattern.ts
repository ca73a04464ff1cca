// Text of a policy that is compared with text of a request: literal, with wildcards, with variables.
import type { Context } from "./context.ts";
import { PolicyError } from "./errors.ts";
import { ANY_TEXT, ANY_UNIT, Glob, type GlobToken, WILD_PART_LENGTH_MAX } from "./glob.ts";

/** `${key}` or `${key, 'default'}`; the key in lower case. */
export interface Variable {
  key: string;
  fallback: string | undefined;
}

export type Token = GlobToken | Variable;

export interface PatternRules {
  /** Whether `*` and `?` stand for other text. */
  wildcards: boolean;
  /** Whether `${...}` means anything: it does in documents of version 2012-10-17. */
  variables: boolean;
  ignoreCase?: boolean;
}

/**
 * Compares with a text. undefined: a variable has no value, so this pattern can match nothing, and its opposite is not
 * known to hold either.
 */
export interface TextPattern {
  matches(text: string, context: Context): boolean | undefined;
  /** Whether matching may cost more than a look at both ends of the text. */
  readonly searches: boolean;
}

const VARIABLE = /^\s*([A-Za-z0-9-]+:[^,'{}$*?\s](?:[^,'{}$*?]*[^,'{}$*?\s])?)\s*(?:,\s*'([^']*)'\s*)?$/;

/** Throws {@link PolicyError} for a variable that cannot be read, and for a part that could not be searched for. */
export function tokensOf(text: string, rules: PatternRules, place: string): Token[] {
  const tokens: Token[] = [];
  let plain = "";
  const push = (token: Token): void => {
    if (plain !== "") tokens.push(plain);
    plain = "";
    tokens.push(token);
  };
  for (let at = 0; at < text.length; at++) {
    const unit = text[at]!;
    if (rules.variables && unit === "$" && text[at + 1] === "{") {
      const end = text.indexOf("}", at);
      const inside = end < 0 ? undefined : text.slice(at + 2, end);
      if (inside === "*" || inside === "?" || inside === "$") plain += inside;
      else push(variableOf(inside, place));
      at = end;
    } else if (rules.wildcards && unit === "*") push(ANY_TEXT);
    else if (rules.wildcards && unit === "?") push(ANY_UNIT);
    else plain += unit;
  }
  if (plain !== "") tokens.push(plain);
  checkParts(tokens, place);
  return tokens;
}

/** Between two `*`, a `?` goes with so much text as can be told, and no more than can be searched for with it. */
function checkParts(tokens: readonly Token[], place: string): void {
  const stars = tokens.flatMap((token, at) => (token === ANY_TEXT ? [at] : []));
  for (const [index, star] of stars.slice(1).entries()) {
    const part = tokens.slice(stars[index]! + 1, star);
    if (!part.includes(ANY_UNIT)) continue;
    const lengths = part.map((token) => (typeof token === "string" ? token.length : 1));
    const length = lengths.reduce((sum, one) => sum + one, 0);
    if (length <= WILD_PART_LENGTH_MAX && !part.some(isVariable)) continue;
    throw new PolicyError(
      "invalid_value",
      place,
      `has a ? in a part between two * that is longer than ${WILD_PART_LENGTH_MAX} characters or has a variable; shorten it`,
    );
  }
}

function variableOf(inside: string | undefined, place: string): Variable {
  const parts = inside === undefined ? null : VARIABLE.exec(inside);
  if (parts === null) {
    throw new PolicyError(
      "invalid_value",
      place,
      `has a \${ that begins no variable; write \${key} or \${key, 'default'}, and \${$}{ for the characters themselves`,
    );
  }
  return { key: parts[1]!.toLowerCase(), fallback: parts[2] };
}

export function isVariable(token: Token): token is Variable {
  return typeof token === "object";
}

export function patternOf(tokens: readonly Token[], { ignoreCase = false }: PatternRules): TextPattern {
  const fold = ignoreCase ? lowerCase : same;
  const folded = tokens.map((token) => (typeof token === "string" ? fold(token) : token));
  if (folded.some(isVariable)) return new VariablePattern(folded, fold);
  return new FixedPattern(new Glob(folded as GlobToken[]), fold);
}

function same(text: string): string {
  return text;
}

function lowerCase(text: string): string {
  return text.toLowerCase();
}

class FixedPattern implements TextPattern {
  constructor(
    private readonly glob: Glob,
    private readonly fold: (text: string) => string,
  ) {}

  get searches(): boolean {
    return this.glob.searches;
  }

  matches(text: string): boolean {
    return this.glob.matches(this.fold(text));
  }
}

/** The values of variables are literal: a `*` in one is a character. */
class VariablePattern implements TextPattern {
  readonly searches: boolean;
  private readonly prefix: string;

  constructor(
    private readonly tokens: readonly Token[],
    private readonly fold: (text: string) => string,
  ) {
    this.prefix = typeof tokens[0] === "string" ? tokens[0] : "";
    this.searches = tokens.some((token) => token === ANY_TEXT || token === ANY_UNIT);
  }

  matches(text: string, context: Context): boolean | undefined {
    const resolved: GlobToken[] = [];
    let lengthMin = 0;
    for (const token of this.tokens) {
      const part = isVariable(token) ? this.valueOf(token, context) : token;
      if (part === undefined) return undefined;
      if (part !== ANY_TEXT) lengthMin += typeof part === "string" ? part.length : 1;
      resolved.push(part);
    }
    const folded = this.fold(text);
    // Most patterns are about something else altogether, and say so before their first variable. Values may be long and
    // many: a pattern longer than the text is not even made.
    if (!folded.startsWith(this.prefix) || lengthMin > folded.length) return false;
    return new Glob(resolved).matches(folded);
  }

  /** A key with a list of values has no one value to put in. */
  private valueOf({ key, fallback }: Variable, context: Context): string | undefined {
    const value = context.get(key);
    const text = value === undefined || typeof value === "object" ? fallback : String(value);
    return text === undefined ? undefined : this.fold(text);
  }
}

/** Whether any of `patterns` matches; undefined if none does and one could not be told. */
export function matchesAny(
  patterns: readonly TextPattern[],
  text: string,
  context: Context,
): boolean | undefined {
  let answer: boolean | undefined = false;
  for (const pattern of patterns) {
    const matched = pattern.matches(text, context);
    if (matched) return true;
    if (matched === undefined) answer = undefined;
  }
  return answer;
}
