// A policy document, read once: everything that evaluating it needs is worked out here.
import { memberOf, PolicyError, ROOT } from "./errors.ts";
import { type Json, readJson } from "./json.ts";
import { SEARCHES_MAX, STATEMENTS_MAX, VALUES_MAX } from "./limits.ts";
import { type PolicyKind, Statement } from "./statement.ts";

const FIELDS: ReadonlySet<string> = new Set(["Version", "Id", "Statement"]);
/** Without Version, a document is of the older one, in which `${` is just two characters. */
const WITHOUT_VARIABLES = "2008-10-17";
const WITH_VARIABLES = "2012-10-17";

/** A statement as a decision tells it. */
export interface StatementReference {
  /** The policy's name. */
  policy: string;
  /** From 0. */
  statement: number;
  sid?: string;
}

/** A statement with what a decision says when it is the one that decides. */
export interface Entry {
  statement: Statement;
  reference: StatementReference;
}

export interface EntriesByEffect {
  denies: readonly Entry[];
  allows: readonly Entry[];
}

/** A compiled document. Immutable. */
export interface Policy<K extends PolicyKind = PolicyKind> {
  readonly kind: K;
  /** What decisions call it. */
  readonly name: string;
  /** The statements that may be about an action of `service` (in lower case). */
  statementsFor(service: string): EntriesByEffect;
}

/**
 * Reads a policy: the JSON text as it was sent, or what a JSON parser made of it (which can no longer show a member that
 * was there twice). `name` is what decisions call it; without one, its Id. Throws {@link PolicyError}.
 */
export function parsePolicy<K extends PolicyKind>(document: unknown, kind: K, name?: string): Policy<K> {
  const fields = readJson(document);
  if (!(fields instanceof Map)) throw new PolicyError("wrong_type", ROOT, "must be a JSON object");
  for (const field of fields.keys()) {
    if (FIELDS.has(field)) continue;
    const known = [...FIELDS].join(", ");
    throw new PolicyError("unknown_field", field, `is no element of a policy; use ${known}`);
  }
  const version: Json = fields.get("Version") ?? WITHOUT_VARIABLES;
  if (version !== WITHOUT_VARIABLES && version !== WITH_VARIABLES) {
    throw new PolicyError(
      "invalid_value",
      "Version",
      `must be "${WITH_VARIABLES}" or "${WITHOUT_VARIABLES}"`,
    );
  }
  const id: Json = fields.get("Id") ?? "";
  if (typeof id !== "string") throw new PolicyError("wrong_type", "Id", "must be a text");
  const statements = readStatements(fields.get("Statement"), {
    kind,
    variables: version === WITH_VARIABLES,
  });
  return new Compiled(kind, name ?? id, statements);
}

function readStatements(
  element: Json | undefined,
  rules: { kind: PolicyKind; variables: boolean },
): Statement[] {
  if (element === undefined) throw new PolicyError("missing_field", "Statement", "must be there");
  const list = Array.isArray(element) ? (element as readonly Json[]) : undefined;
  if (list?.length === 0)
    throw new PolicyError("missing_field", "Statement", "must have at least one statement");
  if (list !== undefined && list.length > STATEMENTS_MAX) {
    throw new PolicyError(
      "too_large",
      "Statement",
      `has more than ${STATEMENTS_MAX} statements; split the policy`,
    );
  }
  const statements = list?.map(
    (item, index) => new Statement(index, item, memberOf("Statement", index), rules),
  ) ?? [new Statement(0, element, "Statement", rules)];
  const sids = new Set<string>();
  let values = 0;
  let searches = 0;
  for (const statement of statements) {
    const { sid } = statement;
    const place = list === undefined ? "Statement" : memberOf("Statement", statement.index);
    if (sid !== undefined && sids.has(sid)) {
      throw new PolicyError(
        "duplicate_sid",
        memberOf(place, "Sid"),
        "is another statement's too; rename one",
      );
    }
    if (sid !== undefined) sids.add(sid);
    values += statement.values;
    searches += statement.searches;
    if (values > VALUES_MAX) {
      throw new PolicyError(
        "too_large",
        place,
        `brings the document over ${VALUES_MAX} values; split the policy`,
      );
    }
    if (searches > SEARCHES_MAX) {
      throw new PolicyError(
        "too_large",
        place,
        `brings the document over ${SEARCHES_MAX} patterns with text between two "*", or with a variable and a wildcard; write simpler ones`,
      );
    }
  }
  return statements;
}

class Compiled<K extends PolicyKind> implements Policy<K> {
  private readonly byService = new Map<string, EntriesByEffect>();
  private readonly forOthers: EntriesByEffect;

  constructor(
    readonly kind: K,
    readonly name: string,
    statements: readonly Statement[],
  ) {
    const entries = statements.map((statement) => ({ statement, reference: this.referenceTo(statement) }));
    for (const service of new Set(statements.flatMap(({ services }) => [...(services ?? [])]))) {
      const about = entries.filter(({ statement }) => statement.services?.has(service) ?? true);
      this.byService.set(service, byEffect(about));
    }
    this.forOthers = byEffect(entries.filter(({ statement }) => statement.services === null));
    Object.freeze(this);
  }

  statementsFor(service: string): EntriesByEffect {
    return this.byService.get(service) ?? this.forOthers;
  }

  private referenceTo({ index, sid }: Statement): StatementReference {
    const reference = { policy: this.name, statement: index };
    return Object.freeze(sid === undefined ? reference : { ...reference, sid });
  }
}

function byEffect(entries: readonly Entry[]): EntriesByEffect {
  return {
    denies: entries.filter(({ statement }) => statement.effect === "Deny"),
    allows: entries.filter(({ statement }) => statement.effect === "Allow"),
  };
}
