// Who has which roles, and which boundary.
import { answered } from "../answered.ts";
import type { Change, ChangeFeed, Transaction } from "../change-feed.ts";
import { AuthError, notFound } from "../errors.ts";
import { lockServiceAccount } from "../service-accounts/service-accounts.ts";
import { lockUser } from "../users.ts";
import { keepingAnAdministrator } from "./administrators.ts";
import { lockGroup } from "./groups.ts";
import { ROLES_PER_TARGET_MAX } from "./limits.ts";
import { storedName } from "./names.ts";
import { holdRole } from "./roles.ts";

/** Whom a role is attached to. */
export interface Target {
  kind: "user" | "group" | "service-account";
  name: string;
}

interface Locked {
  id: string;
  column: "user_id" | "group_id" | "service_account_id";
  change: Change;
}

/** Every method may also throw `unavailable`. */
export class Attachments {
  constructor(private readonly feed: ChangeFeed) {}

  /** Throws `not_found`, `limit_reached`. A role that is attached already stays so. */
  async attach(target: Target, role: string): Promise<void> {
    await answered(
      this.feed.write(async (transaction, changed) => {
        const { id, column, change } = await lock(transaction, target);
        const stored = await holdRole(transaction, role);
        const [{ count } = { count: 0 }] = await transaction<{ count: number }[]>`
          SELECT count(*)::int FROM role_attachments WHERE ${transaction(column)} = ${id} AND role <> ${stored}`;
        if (count >= ROLES_PER_TARGET_MAX) {
          throw new AuthError(
            "limit_reached",
            `"${target.name}" has ${ROLES_PER_TARGET_MAX} roles: detach some first`,
          );
        }
        await transaction`
          INSERT INTO role_attachments ${transaction({ role: stored, [column]: id })} ON CONFLICT DO NOTHING`;
        changed(change);
      }),
    );
  }

  /** Throws `not_found`, for a role that is not attached too, `last_admin`. */
  async detach(target: Target, role: string): Promise<void> {
    await answered(
      this.feed.write((transaction, changed) =>
        keepingAnAdministrator(transaction, async () => {
          const { id, column, change } = await lock(transaction, target);
          const { count } = await transaction`
            DELETE FROM role_attachments
            WHERE ${transaction(column)} = ${id} AND role = ${storedName(role) ?? ""}`;
          if (count === 0) throw notFound("role", role);
          changed(change);
        }),
      ),
    );
  }

  /** Makes `role` the most that a user or service account may do; null: no such limit. Throws `not_found`, `last_admin`. */
  async setBoundary(
    target: Target & { kind: "user" | "service-account" },
    role: string | null,
  ): Promise<void> {
    await answered(
      this.feed.write((transaction, changed) =>
        keepingAnAdministrator(transaction, async () => {
          const { id, change } = await lock(transaction, target);
          const boundary = role === null ? null : await holdRole(transaction, role);
          const table = target.kind === "user" ? "users" : "service_accounts";
          await transaction`UPDATE ${transaction(table)} SET boundary = ${boundary} WHERE id = ${id}`;
          changed(change);
        }),
      ),
    );
  }
}

async function lock(transaction: Transaction, { kind, name }: Target): Promise<Locked> {
  if (kind === "user") {
    const { id } = await lockUser(transaction, name);
    return { id, column: "user_id", change: `user:${id}` };
  }
  if (kind === "group") {
    const id = await lockGroup(transaction, name);
    return { id, column: "group_id", change: `group:${id}` };
  }
  const { id } = await lockServiceAccount(transaction, name);
  return { id, column: "service_account_id", change: `service:${id}` };
}
