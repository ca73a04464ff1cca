import type { Group } from "../../../apis/auth/access/groups.ts";
import type { Role } from "../../../apis/auth/access/roles.ts";
import type { AccountSettings } from "../../../apis/auth/accounts/account-settings.ts";
import type { PasswordReset } from "../../../apis/auth/accounts/password-resets.ts";
import type { BucketsTo, User, UserWithAccess } from "../../../apis/auth/users.ts";
import { call } from "./http.ts";

export type { AccountSettings, BucketsTo, Group, PasswordReset, Role, User, UserWithAccess };

const AUTH = "/api/auth";
/** A path of the auth API, its parts escaped. */
const at = (...parts: string[]) => `${AUTH}/${parts.map(encodeURIComponent).join("/")}`;

function bucketsQuery(buckets: BucketsTo | undefined): string {
  if (buckets === undefined) return "";
  return `?${new URLSearchParams(buckets === "delete" ? { buckets } : { buckets: "keep", ...buckets })}`;
}

/** Users, groups, roles and settings: for whoever may. */
export const directory = {
  users: (signal?: AbortSignal) => call<{ users: User[] }>("GET", at("users"), { signal }),
  user: (name: string, signal?: AbortSignal) => call<UserWithAccess>("GET", at("users", name), { signal }),
  createUser: (name: string, password: string, admin: boolean) =>
    call<User>("POST", at("users"), { body: { name, password, admin } }),
  setDisabled: (name: string, disabled: boolean) =>
    call<User>("PATCH", at("users", name), { body: { disabled } }),
  /** Without `buckets`, a user who owns some is not removed. */
  removeUser: (name: string, buckets?: BucketsTo) =>
    call<void>("DELETE", `${at("users", name)}${bucketsQuery(buckets)}`),
  resetPassword: (name: string) => call<PasswordReset>("POST", at("users", name, "password-reset")),
  removePasskeys: (name: string) => call<{ removed: number }>("DELETE", at("users", name, "passkeys")),

  groups: (signal?: AbortSignal) => call<{ groups: Group[] }>("GET", at("groups"), { signal }),
  group: (name: string, signal?: AbortSignal) => call<Group>("GET", at("groups", name), { signal }),
  createGroup: (name: string) => call<Group>("POST", at("groups"), { body: { name } }),
  removeGroup: (name: string) => call<void>("DELETE", at("groups", name)),
  addMember: (group: string, user: string) => call<void>("PUT", at("groups", group, "members", user)),
  removeMember: (group: string, user: string) => call<void>("DELETE", at("groups", group, "members", user)),

  roles: (signal?: AbortSignal) => call<{ roles: Role[] }>("GET", at("roles"), { signal }),
  role: (name: string, signal?: AbortSignal) => call<Role>("GET", at("roles", name), { signal }),
  /** `policy`: JSON text, in which the server finds members that are there twice too. */
  createRole: (name: string, policy: string) =>
    call<Role>("POST", at("roles"), { body: { name, document: policy } }),
  updateRole: (name: string, policy: string) =>
    call<Role>("PUT", at("roles", name), { body: { document: policy } }),
  removeRole: (name: string) => call<void>("DELETE", at("roles", name)),
  attachRole: (to: "users" | "groups", name: string, role: string) =>
    call<void>("PUT", at(to, name, "roles", role)),
  detachRole: (from: "users" | "groups", name: string, role: string) =>
    call<void>("DELETE", at(from, name, "roles", role)),

  settings: (signal?: AbortSignal) => call<AccountSettings>("GET", at("settings"), { signal }),
  setSettings: (settings: AccountSettings) =>
    call<AccountSettings>("PUT", at("settings"), { body: settings }),
};
