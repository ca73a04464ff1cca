import type { User } from "../api/auth.ts";

export const VERBS = ["read", "create", "update", "delete", "grant"] as const;

export interface ScopeRow {
  /** Tells rows apart on screen. */
  key: number;
  scope: string;
  verbs: readonly string[];
}

/** How a scope names `user`: one with a dot in the name goes by the id. */
export function scopeUser(user: User): string {
  return user.name.includes(".") ? user.userId : user.name;
}

/** A stored scope, which has ids of users, with the name of `user`. */
export function scopeShown(scope: string, user: User): string {
  const [service, owner, ...rest] = scope.split(".");
  return owner === user.userId ? [service, scopeUser(user), ...rest].join(".") : scope;
}

/** What is wrong with the rows before the server is asked. */
export function scopesProblem(rows: readonly ScopeRow[]): string | undefined {
  for (const { scope, verbs } of rows) {
    if (scope.trim() === "") return "Fill in each scope, or remove it.";
    if (verbs.length === 0) return `Choose what may be done with ${scope.trim()}.`;
  }
  const names = rows.map(({ scope }) => scope.trim());
  return new Set(names).size < names.length ? "A scope is there twice." : undefined;
}

export function scopesOf(rows: readonly ScopeRow[]): Record<string, string[]> {
  return Object.fromEntries(rows.map(({ scope, verbs }) => [scope.trim(), [...verbs]]));
}
