// The condition operators: what each compares, for one value of a request. Lists, missing keys, IfExists and the set
// operators are the same for all of them; see conditions.ts.
import { type ArnPattern, arnPattern, matchesAnyArn } from "./arn-pattern.ts";
import type { Context } from "./context.ts";
import { memberOf, PolicyError } from "./errors.ts";
import { parseInstant } from "./instant.ts";
import { isInRange, parseIp, parseIpRange } from "./ip-range.ts";
import { matchesAny, type PatternRules, patternOf, tokensOf } from "./pattern.ts";

export type Scalar = string | number | boolean;

/** A policy's values under one key, ready to be compared with a value of the request. */
export interface Comparison {
  /** undefined: it cannot be told, since a variable has no value or the request's value is of another kind. */
  matches(value: Scalar, context: Context): boolean | undefined;
  /** How many patterns may read the value to its end. */
  searches: number;
}

type Compile = (values: readonly Scalar[], place: string, variables: boolean) => Comparison;

export interface Operator {
  compile: Compile;
  /** True where none of the values matches, which is so as well when the key is missing. */
  negated: boolean;
}

function text(rules: Omit<PatternRules, "variables">): Compile {
  return (values, place, variables) => {
    const own = { ...rules, variables };
    const patterns = values.map((value, index) =>
      patternOf(tokensOf(String(value), own, memberOf(place, index)), own),
    );
    return {
      matches: (value, context) => matchesAny(patterns, String(value), context),
      searches: patterns.filter(({ searches }) => searches).length,
    };
  };
}

const arn: Compile = (values, place, variables) => {
  const patterns: ArnPattern[] = values.map((value, index) =>
    arnPattern(String(value), variables, memberOf(place, index)),
  );
  return {
    matches: (value, context) => matchesAnyArn(patterns, String(value), context),
    searches: patterns.filter(({ searches }) => searches).length,
  };
};

/** Operators that read both sides as `T`, and compare. */
function typed<T, U = T>(
  what: string,
  readOwn: (value: Scalar) => T | undefined,
  read: (value: Scalar) => U | undefined,
  holds: (value: U, own: T) => boolean,
): Compile {
  return (values, place) => {
    const own = values.map((value, index) => {
      const parsed = readOwn(value);
      if (parsed === undefined) {
        throw new PolicyError("invalid_value", memberOf(place, index), `must be ${what}`);
      }
      return parsed;
    });
    return {
      matches: (value) => {
        const parsed = read(value);
        return parsed === undefined ? undefined : own.some((one) => holds(parsed, one));
      },
      searches: 0,
    };
  };
}

const NUMBER = /^[+-]?\d{1,16}(?:\.\d{1,16})?$/;

function numberOf(value: Scalar): number | undefined {
  if (typeof value === "boolean") return undefined;
  const number = typeof value === "number" || NUMBER.test(value) ? Number(value) : Number.NaN;
  // Beyond, two different numbers may be one double.
  return Math.abs(number) <= Number.MAX_SAFE_INTEGER ? number : undefined;
}

function numeric(holds: (value: number, own: number) => boolean): Compile {
  return typed("a number between -(2^53 - 1) and 2^53 - 1", numberOf, numberOf, holds);
}

function instantOf(value: Scalar): number | undefined {
  return typeof value === "boolean" ? undefined : parseInstant(value);
}

function date(holds: (value: number, own: number) => boolean): Compile {
  const what = 'a date as "2030-01-31", a time as "2030-01-31T23:59:59Z", or seconds since 1970';
  return typed(what, instantOf, instantOf, holds);
}

const equal = (value: number, own: number): boolean => value === own;
const less = (value: number, own: number): boolean => value < own;
const lessOrEqual = (value: number, own: number): boolean => value <= own;
const greater = (value: number, own: number): boolean => value > own;
const greaterOrEqual = (value: number, own: number): boolean => value >= own;

export function booleanOf(value: Scalar): boolean | undefined {
  const word = String(value).toLowerCase();
  return word === "true" ? true : word === "false" ? false : undefined;
}

const bool = typed("true or false", booleanOf, booleanOf, (value, own) => value === own);

/** One spelling for the same bytes. */
function base64Of(value: Scalar): string | undefined {
  const spelt = String(value);
  const bytes = Buffer.from(spelt, "base64").toString("base64");
  return bytes.replace(/=+$/, "") === spelt.replace(/=+$/, "") ? bytes : undefined;
}

const binary = typed("base64", base64Of, base64Of, (value, own) => value === own);

const ip = typed(
  'an IP address or range, as "192.0.2.0/24" or "2001:db8::/32"',
  (value) => parseIpRange(String(value)),
  (value) => parseIp(String(value)),
  isInRange,
);

const exactly = text({ wildcards: false });
const ignoringCase = text({ wildcards: false, ignoreCase: true });
const like = text({ wildcards: true });

const is = (compile: Compile): Operator => ({ compile, negated: false });
const isNot = (compile: Compile): Operator => ({ compile, negated: true });

/** All but Null, which asks for the key instead of its value. */
export const OPERATORS: ReadonlyMap<string, Operator> = new Map([
  ["StringEquals", is(exactly)],
  ["StringNotEquals", isNot(exactly)],
  ["StringEqualsIgnoreCase", is(ignoringCase)],
  ["StringNotEqualsIgnoreCase", isNot(ignoringCase)],
  ["StringLike", is(like)],
  ["StringNotLike", isNot(like)],
  ["NumericEquals", is(numeric(equal))],
  ["NumericNotEquals", isNot(numeric(equal))],
  ["NumericLessThan", is(numeric(less))],
  ["NumericLessThanEquals", is(numeric(lessOrEqual))],
  ["NumericGreaterThan", is(numeric(greater))],
  ["NumericGreaterThanEquals", is(numeric(greaterOrEqual))],
  ["DateEquals", is(date(equal))],
  ["DateNotEquals", isNot(date(equal))],
  ["DateLessThan", is(date(less))],
  ["DateLessThanEquals", is(date(lessOrEqual))],
  ["DateGreaterThan", is(date(greater))],
  ["DateGreaterThanEquals", is(date(greaterOrEqual))],
  ["Bool", is(bool)],
  ["BinaryEquals", is(binary)],
  ["IpAddress", is(ip)],
  ["NotIpAddress", isNot(ip)],
  ["ArnEquals", is(arn)],
  ["ArnLike", is(arn)],
  ["ArnNotEquals", isNot(arn)],
  ["ArnNotLike", isNot(arn)],
]);
