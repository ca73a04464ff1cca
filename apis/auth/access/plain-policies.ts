// Which policies decide about S3 by action and owner alone, so that one answer serves for every bucket and key of an owner.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables look like that
import { type Json, readJson } from "../../../std/policy/json.ts";

/** Every S3 name. */
const ANYWHERE: ReadonlySet<unknown> = new Set(["*", "arn:aws:s3:::*"]);
/** What follows from action and owner. */
const KEYS: ReadonlySet<string> = new Set([
  "skerry:resourceowner",
  "skerry:accesslevel",
  "skerry:actionverb",
  "skerry:resourcekind",
]);
const NOT_S3 = /^(?!s3:)[A-Za-z0-9-]+:/i;
/** The only variable that is the same in all requests of a principal, by what is looked at here. */
const CONSTANT = "${skerry:userid}";

/** Whether no statement of a policy (JSON, or its text) about S3 looks at more than action and owner. When in doubt: no. */
export function isPlain(document: unknown): boolean {
  const policy = readJson(document);
  const statements = policy instanceof Map ? (policy.get("Statement") as Json | undefined) : undefined;
  return listOf(statements).every((statement) => statement instanceof Map && isPlainStatement(statement));
}

function isPlainStatement(statement: ReadonlyMap<string, Json>): boolean {
  const actions = listOf(statement.get("Action"));
  if (actions.length > 0 && actions.every((action) => typeof action === "string" && NOT_S3.test(action)))
    return true;
  const resources = listOf(statement.get("Resource"));
  if (resources.length === 0 || !resources.every((resource) => ANYWHERE.has(resource))) return false;
  const conditions = statement.get("Condition");
  if (conditions === undefined) return true;
  if (!(conditions instanceof Map)) return false;
  return [...conditions.values()].every(
    (block) =>
      block instanceof Map &&
      [...(block as ReadonlyMap<string, Json>)].every(
        ([key, values]) => KEYS.has(key.toLowerCase()) && listOf(values).every(isConstant),
      ),
  );
}

function isConstant(value: Json): boolean {
  return typeof value !== "string" || !value.replaceAll(CONSTANT, "").includes("${");
}

function listOf(value: Json | undefined): readonly Json[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly Json[]) : [value];
}
