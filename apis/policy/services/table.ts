/** As IAM sorts actions: what an action does to what it is on. */
export type AccessLevel = "read" | "list" | "write" | "permissions" | "tagging";

/** What a token's scope calls it. `grant`: to change who may do what. */
export const VERBS = ["create", "read", "update", "delete", "grant"] as const;
export type Verb = (typeof VERBS)[number];

export interface ActionFacts<Kind extends string = string> {
  /** What the action is on. */
  kind: Kind;
  level: AccessLevel;
  verb: Verb;
}

export interface KindFacts {
  /** The kind that contains it: a scope for the container covers it too. */
  within?: string;
}

/** A service: its kinds of resources and its actions. */
export interface ServiceTable {
  /** What a token's scope begins with. Several services may share one. */
  scope: string;
  kinds: Readonly<Record<string, KindFacts>>;
  actions: Readonly<Record<string, ActionFacts>>;
}

/** `on("bucket", "read")`: reading a bucket. The verb follows from the level where it is not told. */
export function on<const Kind extends string>(
  kind: Kind,
  level: AccessLevel,
  verb: Verb = VERB_OF[level],
): ActionFacts<Kind> {
  return { kind, level, verb };
}

const VERB_OF: Readonly<Record<AccessLevel, Verb>> = {
  read: "read",
  list: "read",
  write: "update",
  permissions: "grant",
  tagging: "update",
};
