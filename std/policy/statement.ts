// One statement: its grammar, and whether it applies to a request.
import { Actions } from "./actions.ts";
import { type Condition, readConditions } from "./conditions.ts";
import type { PolicyRequest } from "./context.ts";
import { memberOf, PolicyError } from "./errors.ts";
import type { Json, JsonObject } from "./json.ts";
import { SID_LENGTH_MAX } from "./limits.ts";
import { isVariable, matchesAny, patternOf, type TextPattern, tokensOf } from "./pattern.ts";
import { type Naming, Principals } from "./principals.ts";

/** `identity`: for a user, group, role, boundary or session. `resource`: on a bucket or the like; names principals. */
export type PolicyKind = "identity" | "resource";

const FIELDS: ReadonlySet<string> = new Set([
  "Sid",
  "Effect",
  "Action",
  "NotAction",
  "Resource",
  "NotResource",
  "Principal",
  "NotPrincipal",
  "Condition",
]);

export interface StatementRules {
  kind: PolicyKind;
  variables: boolean;
}

export class Statement {
  readonly sid: string | undefined;
  readonly effect: "Allow" | "Deny";
  /** Values and patterns that count towards the limits of a document. */
  readonly values: number;
  readonly searches: number;
  /** Lower-case services whose actions it may apply to; null: any. */
  readonly services: ReadonlySet<string> | null;
  private readonly actions: Actions;
  private readonly resources: readonly TextPattern[];
  private readonly principals: Principals | null;
  private readonly conditions: readonly Condition[];
  private readonly notAction: boolean;
  private readonly notResource: boolean;
  private readonly notPrincipal: boolean;

  /** Throws {@link PolicyError}. */
  constructor(
    readonly index: number,
    element: Json,
    place: string,
    { kind, variables }: StatementRules,
  ) {
    if (!(element instanceof Map)) throw new PolicyError("wrong_type", place, "must be an object");
    const fields = element as JsonObject;
    for (const name of fields.keys()) {
      if (FIELDS.has(name)) continue;
      const known = [...FIELDS].join(", ");
      throw new PolicyError(
        "unknown_field",
        memberOf(place, name),
        `is no element of a statement; use ${known}`,
      );
    }
    this.sid = readSid(fields.get("Sid"), memberOf(place, "Sid"));
    this.effect = readEffect(fields.get("Effect"), memberOf(place, "Effect"));
    this.notAction = isNegated(fields, "Action", place);
    this.notResource = isNegated(fields, "Resource", place);
    const actions = textsOf(fields, this.notAction ? "NotAction" : "Action", place);
    const resources = textsOf(fields, this.notResource ? "NotResource" : "Resource", place);
    this.actions = new Actions(actions.texts, actions.place);
    this.resources = resources.texts.map((text, index) =>
      resourcePattern(text, variables, memberOf(resources.place, index)),
    );
    this.notPrincipal = fields.has("NotPrincipal");
    this.principals = this.readPrincipals(fields, place, kind);
    const condition = fields.get("Condition") ?? new Map();
    if (!(condition instanceof Map)) {
      throw new PolicyError("wrong_type", memberOf(place, "Condition"), "must be an object of operators");
    }
    const denies = this.effect === "Deny";
    this.conditions = readConditions(condition, memberOf(place, "Condition"), { variables, denies });
    this.services = this.notAction ? null : this.actions.services;
    this.values =
      actions.texts.length +
      resources.texts.length +
      (this.principals?.count ?? 0) +
      this.conditions.reduce((sum, { values }) => sum + values, 0);
    this.searches =
      this.resources.filter(({ searches }) => searches).length +
      this.conditions.reduce((sum, { searches }) => sum + searches, 0);
  }

  private readPrincipals(fields: JsonObject, place: string, kind: PolicyKind): Principals | null {
    const named = fields.has("Principal");
    if (kind === "identity") {
      if (!named && !this.notPrincipal) return null;
      const field = memberOf(place, named ? "Principal" : "NotPrincipal");
      throw new PolicyError(
        "conflict",
        field,
        "belongs in a resource's policy alone; this one is about whoever has it",
      );
    }
    if (named && this.notPrincipal) {
      throw new PolicyError("conflict", place, "has Principal and NotPrincipal; keep one");
    }
    if (!named && !this.notPrincipal) {
      throw new PolicyError("missing_field", memberOf(place, "Principal"), 'must say for whom, as "*"');
    }
    if (this.notPrincipal && this.effect === "Allow") {
      throw new PolicyError(
        "conflict",
        memberOf(place, "NotPrincipal"),
        "with Allow would let in everybody else, strangers too; name whom to allow in Principal",
      );
    }
    const field = named ? "Principal" : "NotPrincipal";
    return Principals.read(fields.get(field)!, memberOf(place, field));
  }

  /**
   * Whether the statement is about the request, and how it names its principal. A policy that is about whoever has it
   * names them broadly.
   */
  applies(request: PolicyRequest): Naming {
    if (this.actions.has(request.action) === this.notAction) return "none";
    const naming = this.namingOf(request);
    if (naming === "none" || !this.coversResource(request)) return "none";
    for (const condition of this.conditions) if (!condition.holds(request.context)) return "none";
    return naming;
  }

  private namingOf({ principal }: PolicyRequest): Naming {
    if (this.principals === null) return "broad";
    const naming = this.principals.naming(principal);
    if (!this.notPrincipal) return naming;
    // Who is named with the account alone is not excepted: "the account and bob" means bob.
    return naming === "none" || naming === "account" ? "broad" : "none";
  }

  private coversResource({ resource, context }: PolicyRequest): boolean {
    const matched = matchesAny(this.resources, resource, context);
    if (!this.notResource) return matched === true;
    // A variable without a value: nothing is allowed by that, and nothing excepted from a denial.
    return matched === undefined ? this.effect === "Deny" : !matched;
  }
}

function readSid(value: Json | undefined, place: string): string | undefined {
  if (value === undefined || value === "") return undefined;
  if (typeof value === "string" && value.length <= SID_LENGTH_MAX) return value;
  throw new PolicyError("wrong_type", place, `must be a text of at most ${SID_LENGTH_MAX} characters`);
}

function readEffect(value: Json | undefined, place: string): "Allow" | "Deny" {
  if (value === "Allow" || value === "Deny") return value;
  const code = value === undefined ? "missing_field" : "invalid_value";
  throw new PolicyError(code, place, 'must be "Allow" or "Deny"');
}

/** Exactly one of `name` and `Not` + `name` must be there; true if it is the latter. */
function isNegated(fields: JsonObject, name: "Action" | "Resource", place: string): boolean {
  const plain = fields.has(name);
  const negated = fields.has(`Not${name}`);
  if (plain && negated) throw new PolicyError("conflict", place, `has ${name} and Not${name}; keep one`);
  if (!plain && !negated) {
    throw new PolicyError("missing_field", memberOf(place, name), `must be there, or Not${name}`);
  }
  return negated;
}

function textsOf(fields: JsonObject, name: string, parent: string): { texts: string[]; place: string } {
  const place = memberOf(parent, name);
  const value = fields.get(name)!;
  const list = Array.isArray(value) ? (value as readonly Json[]) : [value as Json];
  if (list.length === 0) throw new PolicyError("missing_field", place, "must have at least one value");
  const texts = list.map((item, index) => {
    if (typeof item === "string") return item;
    throw new PolicyError("wrong_type", memberOf(place, index), "must be a text");
  });
  return { texts, place };
}

/** Partition, service and region of an ARN are never variable: a tag must not choose the service. */
const COLONS_BEFORE_VARIABLES = 4;

function resourcePattern(text: string, variables: boolean, place: string): TextPattern {
  if (text !== "*" && !text.startsWith("arn:")) {
    throw new PolicyError(
      "invalid_value",
      place,
      'is no resource; write "*" or an ARN, as "arn:aws:s3:::bucket/*"',
    );
  }
  const rules = { wildcards: true, variables };
  const tokens = tokensOf(text, rules, place);
  let colons = 0;
  for (const token of tokens) {
    if (typeof token === "string") colons += token.split(":").length - 1;
    else if (isVariable(token) && colons < COLONS_BEFORE_VARIABLES) {
      throw new PolicyError(
        "invalid_value",
        place,
        "has a variable before its fourth colon; write that part out",
      );
    }
  }
  return patternOf(tokens, rules);
}
