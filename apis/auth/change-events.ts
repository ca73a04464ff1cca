// The events of a write, derived from what it changed, so that no write can forget them. They say that something changed, and of
// users their names; no secret is ever in them.
import type { Json, NewEvent } from "../../std/bus/event.ts";
import { subject } from "../../std/bus/subjects.ts";
import { type Change, type ChangedKind, idsOf, type Transaction } from "./changes.ts";

/** What is to become of a removed user's buckets; the owner is a user's id. */
export type BucketsFate = { to: "owner"; owner: string } | { to: "delete" };

/** The data of `auth.user.{id}.deleted`. `buckets` is null where nothing was said, since there were none. */
export interface UserDeleted {
  name: string;
  buckets: BucketsFate | null;
}

/** What the database cannot tell any more when the write is done: that a user is new, and what a removed one was. */
export type Told = "created" | UserDeleted;

interface UserRow {
  id: string;
  name: string;
  disabled: boolean;
}

/**
 * Looks within `transaction`, after the write, at what `changes` are about:
 * - `auth.user.{id}.created|updated|deleted`
 * - `auth.session.{id}.revoked`
 * - `auth.identity.{id}.updated`, of a user or service account: its roles, groups, policies, tokens or keys have changed
 */
export async function eventsOf(
  transaction: Transaction,
  changes: ReadonlyMap<Change, Told | undefined>,
): Promise<NewEvent[]> {
  const ids = (kind: ChangedKind) => idsOf(kind, changes.keys());
  const [users, revoked, affected] = await Promise.all([
    usersOf(transaction, ids("user")),
    revokedOf(transaction, ids("session")),
    identitiesOf(transaction, ids),
  ]);
  const identities = new Set([...ids("identity"), ...ids("service"), ...affected]);
  const events: NewEvent[] = [];
  for (const id of ids("user")) {
    const told = changes.get(`user:${id}`);
    const user = users.get(id);
    if (!user) events.push(event(["user", id, "deleted"], typeof told === "object" ? { ...told } : {}));
    else {
      const { name, disabled } = user;
      const how = told === "created" ? "created" : "updated";
      events.push(event(["user", id, how], { name, disabled }));
      if (how === "updated") identities.add(id);
    }
  }
  for (const id of revoked) events.push(event(["session", id, "revoked"], {}));
  for (const id of identities) events.push(event(["identity", id, "updated"], {}));
  return events;
}

function event(about: string[], data: Json): NewEvent {
  return { subject: subject("auth", ...about), data };
}

async function usersOf(transaction: Transaction, ids: string[]): Promise<Map<string, UserRow>> {
  if (ids.length === 0) return new Map();
  const rows = await transaction<UserRow[]>`SELECT id, name, disabled FROM users WHERE id = ANY(${ids})`;
  return new Map(rows.map((row) => [row.id, row]));
}

/** A session that changed and is not there has ended. */
async function revokedOf(transaction: Transaction, ids: string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const rows = await transaction<{ id: string }[]>`SELECT id FROM sessions WHERE id = ANY(${ids})`;
  const live = new Set(rows.map(({ id }) => id));
  return ids.filter((id) => !live.has(id));
}

/** Whose keys, tokens, groups and roles these are now. */
async function identitiesOf(
  transaction: Transaction,
  ids: (kind: ChangedKind) => string[],
): Promise<string[]> {
  const [keys, tokens, groups, roles] = [ids("key"), ids("token"), ids("group"), ids("role")];
  if (keys.length + tokens.length + groups.length + roles.length === 0) return [];
  const rows = await transaction<{ id: string }[]>`
    SELECT coalesce(user_id, service_account_id) AS id FROM access_keys WHERE access_key_id = ANY(${keys})
    UNION SELECT coalesce(user_id, service_account_id) FROM api_tokens WHERE id = ANY(${tokens})
    UNION SELECT user_id FROM group_members WHERE group_id = ANY(${groups})
    UNION SELECT coalesce(user_id, service_account_id) FROM role_attachments
      WHERE role = ANY(${roles}) AND group_id IS NULL
    UNION SELECT group_members.user_id FROM role_attachments JOIN group_members USING (group_id)
      WHERE role = ANY(${roles})
    UNION SELECT id FROM users WHERE boundary = ANY(${roles})
    UNION SELECT id FROM service_accounts WHERE boundary = ANY(${roles})`;
  return rows.map(({ id }) => id);
}
