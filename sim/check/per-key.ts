// A history as one register a key: what each operation demands of a key's state and makes of it.
//
// A copy reads one key and writes another in one step; here each key is asked by itself, so a copy that took the two at
// different moments is not found out. Everything else concerns one key.
import type { Condition, Entry, History } from "./history.ts";
import { pageReads } from "./listing.ts";
import { checkRegister, type RegisterOperation, type Requirement } from "./register.ts";
import type { Violation } from "./violation.ts";

/** Operations before and after the one that does not fit, in a violation's detail. */
const TOLD_AROUND = 24;

export interface LinearizabilityResult {
  violations: Violation[];
  /** Operations that were checked, over all keys. */
  operations: number;
  /** Keys whose histories had too many ways to be decided. */
  undecided: string[];
}

/** P1, P3, P4, P5, P6: every key is a linearizable register, of which listings are reads too. */
export function checkKeys(history: History): LinearizabilityResult {
  const byKey = new Map<string, RegisterOperation[]>();
  for (const key of history.keys) byKey.set(key, []);
  for (const entry of history.entries) {
    for (const [key, operation] of registerOperations(history, entry)) byKey.get(key)!.push(operation);
  }
  for (const page of history.pages) {
    for (const [key, operation] of pageReads(history, page)) byKey.get(key)!.push(operation);
  }
  const result: LinearizabilityResult = { violations: [], operations: 0, undecided: [] };
  for (const [key, operations] of byKey) {
    result.operations += operations.length;
    const verdict = checkRegister(operations);
    if (verdict.kind === "undecided") result.undecided.push(key);
    if (verdict.kind === "violation") {
      result.violations.push(explain(key, operations, verdict.operation, verdict.states));
    }
  }
  return result;
}

function registerOperations(history: History, entry: Entry): [string, RegisterOperation][] {
  const { request, answer, start } = entry;
  const isOpen = answer === undefined || answer.is === "unknown";
  const end = isOpen ? undefined : entry.end;
  const label = `${entry.client}: ${describeRequest(entry)} -> ${describeAnswer(entry)}`;
  const on = (key: string, requires: Requirement, sets?: string | null): [string, RegisterOperation] => {
    return [
      key,
      sets === undefined ? { label, start, end, requires } : { label, start, end, requires, sets },
    ];
  };
  if (answer?.is === "refused") return [];
  const { key } = request;
  if (request.kind === "get" || request.kind === "head") {
    if (isOpen) return [];
    if (answer.is === "absent") return [on(key, { is: "absent" })];
    return answer.is === "found" ? [on(key, one(answer.value))] : [];
  }
  if (request.kind === "delete") {
    if (isOpen) return [on(key, met(history, key, request.condition), null)];
    if (answer.is === "done") {
      if (!answer.deleted) return [on(key, { is: "absent" })];
      const requires = met(history, key, request.condition);
      return [on(key, requires.is === "anything" ? { is: "present" } : requires, null)];
    }
    return unmet(history, key, request.condition, answer.is).map((requires) => on(key, requires));
  }
  const writes = on(key, met(history, key, request.condition), request.value);
  if (request.kind !== "copy") {
    if (isOpen || answer.is === "done") return [writes];
    return unmet(history, key, request.condition, answer.is).map((requires) => on(key, requires));
  }
  if (isOpen) return [writes];
  if (answer.is === "done")
    return [on(request.source, withEtag(history, request.source, answer.etag!)), writes];
  if (answer.is === "absent") return [on(request.source, { is: "absent" })];
  return unmet(history, key, request.condition, answer.is).map((requires) => on(key, requires));
}

const one = (value: string): Requirement => ({ is: "one of", values: new Set([value]) });

const withEtag = (history: History, key: string, etag: string): Requirement => {
  return { is: "one of", values: history.valuesWith(key, etag) };
};

function met(history: History, key: string, condition: Condition | undefined): Requirement {
  if (condition?.ifMatch !== undefined) return withEtag(history, key, condition.ifMatch);
  return condition?.ifNoneMatch ? { is: "absent" } : { is: "anything" };
}

/** What a failed condition shows. `absent` is how a failed If-Match says that there is no object. */
function unmet(
  history: History,
  key: string,
  condition: Condition | undefined,
  answer: string,
): Requirement[] {
  if (answer === "absent") return [{ is: "absent" }];
  if (answer !== "condition failed" || !condition) return [];
  if (condition.ifNoneMatch) return [{ is: "present" }];
  // A value whose etag nobody knows may be another one.
  const values = [...history.valuesWith(key, condition.ifMatch!)];
  return [
    { is: "other than", values: new Set(values.filter((id) => history.values.get(id)!.etag !== undefined)) },
  ];
}

function describeRequest({ request }: Entry): string {
  const { kind, key } = request;
  const value = "value" in request ? ` ${request.value}` : "";
  const source = request.kind === "copy" ? ` from ${request.source}` : "";
  const condition =
    "condition" in request && request.condition ? ` if ${JSON.stringify(request.condition)}` : "";
  return `${kind.toUpperCase()} ${key}${source}${value}${condition}`;
}

function describeAnswer({ answer }: Entry): string {
  if (!answer) return "no answer";
  const { is, ...more } = answer;
  const said = Object.values(more).filter((field) => field !== undefined);
  return said.length > 0 ? `${is} (${said.join(", ")})` : is;
}

function explain(
  key: string,
  operations: readonly RegisterOperation[],
  wrong: RegisterOperation,
  states: readonly (string | null)[],
): Violation {
  const could = states.map((state) => state ?? "no object").join(" or ");
  const sorted = [...operations].sort((a, b) => a.start - b.start);
  const at = sorted.indexOf(wrong);
  const changes = sorted
    .slice(0, at)
    .filter(({ sets }) => sets !== undefined)
    .slice(-TOLD_AROUND / 2);
  const told = new Set([...changes, ...sorted.slice(Math.max(0, at - TOLD_AROUND / 2), at + 2)]);
  return {
    promise: promiseOf(wrong, states),
    what: `the history of "${key}" fits no order: "${wrong.label}" cannot be, as the key could only hold ${could}`,
    detail: sorted
      .filter((operation) => told.has(operation))
      .map((operation) => {
        const span = `[${operation.start}, ${operation.end ?? "?"}]`.padEnd(16);
        return `${operation === wrong ? "->" : "  "} ${span} ${operation.label}`;
      }),
  };
}

function promiseOf(wrong: RegisterOperation, states: readonly (string | null)[]): Violation["promise"] {
  if (wrong.label.includes(": LIST")) return "P4";
  if (wrong.sets !== undefined) return "P6";
  if (wrong.requires.is === "absent") return "P1";
  return states.every((state) => state === null) ? "P3" : "P5";
}
