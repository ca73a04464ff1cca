// The Condition element: operators, keys under each operator, values under each key. Operators and keys are joined by
// AND, values by OR, the values of a negated operator by NOR.
import type { Context, ContextValue } from "./context.ts";
import { memberOf, PolicyError } from "./errors.ts";
import type { Json, JsonObject } from "./json.ts";
import { CONDITION_KEY_LENGTH_MAX } from "./limits.ts";
import { booleanOf, type Comparison, OPERATORS, type Operator, type Scalar } from "./operators.ts";

export interface Condition {
  holds(context: Context): boolean;
  /** How many patterns may read a value of the request to its end. */
  readonly searches: number;
  readonly values: number;
}

export interface ConditionRules {
  variables: boolean;
  /** Whether the statement denies: then what cannot be told counts against the request. */
  denies: boolean;
}

const ALL = "ForAllValues:";
const ANY = "ForAnyValue:";
const IF_EXISTS = "IfExists";
const KEY = /^[A-Za-z0-9-]+:./s;

/** Throws {@link PolicyError}. */
export function readConditions(element: JsonObject, place: string, rules: ConditionRules): Condition[] {
  const conditions: Condition[] = [];
  for (const [operator, block] of element) {
    const where = memberOf(place, operator);
    if (!(block instanceof Map)) {
      throw new PolicyError("wrong_type", where, 'must be an object, as {"aws:SourceIp": "192.0.2.0/24"}');
    }
    const keys = new Set<string>();
    for (const [name, values] of block as JsonObject) {
      const at = memberOf(where, name);
      if (!KEY.test(name) || name.length > CONDITION_KEY_LENGTH_MAX) {
        throw new PolicyError("invalid_value", at, 'is no condition key; they look like "aws:SourceIp"');
      }
      const key = name.toLowerCase();
      if (keys.has(key)) {
        throw new PolicyError(
          "duplicate_key",
          at,
          "is there twice, in other case; join the values in a list",
        );
      }
      keys.add(key);
      conditions.push(conditionOf(operator, key, scalars(values, at), where, at, rules));
    }
  }
  return conditions;
}

function scalars(values: Json, place: string): Scalar[] {
  const list = Array.isArray(values) ? (values as readonly Json[]) : [values as Json];
  if (list.length === 0) throw new PolicyError("missing_field", place, "must have at least one value");
  return list.map((value, index) => {
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
    throw new PolicyError(
      "wrong_type",
      memberOf(place, index),
      "must be a text, a number, true or false; several of them in one list",
    );
  });
}

function conditionOf(
  name: string,
  key: string,
  values: Scalar[],
  operatorPlace: string,
  place: string,
  rules: ConditionRules,
): Condition {
  if (name === "Null") return new NullCondition(key, values, place);
  const quantifier = name.startsWith(ALL) ? "all" : name.startsWith(ANY) ? "any" : "none";
  const unqualified = quantifier === "none" ? name : name.slice(name.indexOf(":") + 1);
  const ifExists = unqualified.endsWith(IF_EXISTS);
  const bare = ifExists ? unqualified.slice(0, -IF_EXISTS.length) : unqualified;
  const operator = OPERATORS.get(bare);
  if (operator === undefined) throw unknownOperator(bare, operatorPlace);
  return new ValueCondition(
    key,
    operator,
    operator.compile(values, place, rules.variables),
    quantifier,
    // For all values of none, anything is true.
    ifExists || quantifier === "all" || (quantifier === "none" && operator.negated),
    rules.denies,
    values.length,
  );
}

function unknownOperator(name: string, place: string): PolicyError {
  const near = [...OPERATORS.keys(), "Null"].find((known) => known.toLowerCase() === name.toLowerCase());
  const hint =
    near === undefined
      ? `use one of ${[...OPERATORS.keys()].join(", ")}, Null`
      : near === "Null"
        ? "Null takes neither IfExists nor a set operator"
        : `write ${near}`;
  return new PolicyError("unknown_operator", place, `is no condition operator; ${hint}`);
}

class NullCondition implements Condition {
  readonly searches = 0;
  readonly values: number;
  /** Whether the key is to be missing. */
  private readonly wanted: readonly boolean[];

  constructor(
    private readonly key: string,
    values: readonly Scalar[],
    place: string,
  ) {
    this.values = values.length;
    this.wanted = values.map((value, index) => {
      const missing = booleanOf(value);
      if (missing !== undefined) return missing;
      throw new PolicyError(
        "invalid_value",
        memberOf(place, index),
        "must be true (the key is missing) or false (it is there)",
      );
    });
  }

  holds(context: Context): boolean {
    return this.wanted.includes(isMissing(context.get(this.key)));
  }
}

/** A list without values is as good as no key. */
function isMissing(value: ContextValue | undefined): value is undefined {
  return value === undefined || (typeof value === "object" && value.length === 0);
}

class ValueCondition implements Condition {
  readonly searches: number;

  constructor(
    private readonly key: string,
    private readonly operator: Operator,
    private readonly comparison: Comparison,
    private readonly quantifier: "none" | "all" | "any",
    private readonly whenMissing: boolean,
    private readonly denies: boolean,
    readonly values: number,
  ) {
    this.searches = comparison.searches;
  }

  holds(context: Context): boolean {
    const value = context.get(this.key);
    if (isMissing(value)) return this.whenMissing;
    if (typeof value !== "object") return this.satisfies(value, context);
    // Without a set operator, a negated one must be the opposite of the plain one: none of the values may match.
    const all = this.quantifier === "all" || (this.quantifier === "none" && this.operator.negated);
    return all
      ? value.every((one) => this.satisfies(one, context))
      : value.some((one) => this.satisfies(one, context));
  }

  private satisfies(value: Scalar, context: Context): boolean {
    const matched = this.comparison.matches(value, context);
    if (!this.operator.negated) return matched === true;
    return matched === undefined ? this.denies : !matched;
  }
}
