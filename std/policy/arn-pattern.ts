// Patterns of whole ARNs for the Arn operators. Each of the six parts between colons is compared by itself, so that a `*`
// never reaches from one part into the next; the sixth takes whatever colons are left.
import type { Context } from "./context.ts";
import { PolicyError } from "./errors.ts";
import { ANY_TEXT } from "./glob.ts";
import { patternOf, type TextPattern, type Token, tokensOf } from "./pattern.ts";

const PARTS = 6;

export interface ArnPattern {
  parts: readonly TextPattern[];
  searches: boolean;
}

/** Throws {@link PolicyError} for what is neither an ARN's pattern nor `*`. */
export function arnPattern(text: string, variables: boolean, place: string): ArnPattern {
  const rules = { wildcards: true, variables };
  const parts =
    text === "*" ? new Array<Token[]>(PARTS).fill([ANY_TEXT]) : split(tokensOf(text, rules, place));
  if (parts.length !== PARTS) {
    throw new PolicyError(
      "invalid_value",
      place,
      'must have six parts, as "arn:aws:iam::000000000000:user/*"',
    );
  }
  const patterns = parts.map((tokens) => patternOf(tokens, rules));
  return { parts: patterns, searches: patterns.some(({ searches }) => searches) };
}

/** Colons within variables, as in `${aws:username}`, part nothing. */
function split(tokens: readonly Token[]): Token[][] {
  const parts: Token[][] = [[]];
  for (const token of tokens) {
    if (typeof token !== "string") {
      parts[parts.length - 1]!.push(token);
      continue;
    }
    for (const [index, piece] of splitText(token, PARTS - parts.length).entries()) {
      if (index > 0) parts.push([]);
      if (piece !== "") parts[parts.length - 1]!.push(piece);
    }
  }
  return parts;
}

/** Cuts at the first `cuts` colons. */
function splitText(text: string, cuts: number): string[] {
  const pieces: string[] = [];
  let from = 0;
  while (pieces.length < cuts) {
    const colon = text.indexOf(":", from);
    if (colon < 0) break;
    pieces.push(text.slice(from, colon));
    from = colon + 1;
  }
  pieces.push(text.slice(from));
  return pieces;
}

/** Whether `text` is an ARN that one of `patterns` matches; undefined if none does and one could not be told. */
export function matchesAnyArn(
  patterns: readonly ArnPattern[],
  text: string,
  context: Context,
): boolean | undefined {
  const parts = splitText(text, PARTS - 1);
  if (parts.length !== PARTS) return false;
  let answer: boolean | undefined = false;
  for (const pattern of patterns) {
    const matched = matchesParts(pattern, parts, context);
    if (matched) return true;
    if (matched === undefined) answer = undefined;
  }
  return answer;
}

function matchesParts(pattern: ArnPattern, parts: readonly string[], context: Context): boolean | undefined {
  let answer: boolean | undefined = true;
  for (let at = 0; at < PARTS; at++) {
    const matched = pattern.parts[at]!.matches(parts[at]!, context);
    if (matched === false) return false;
    if (matched === undefined) answer = undefined;
  }
  return answer;
}
