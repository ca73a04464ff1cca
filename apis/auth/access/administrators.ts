import type { Transaction } from "../change-feed.ts";
import { AuthError } from "../errors.ts";

/** One change at a time to users and who administers, so that their limits and the last administrator hold. */
export async function lockUsers(transaction: Transaction): Promise<void> {
  await transaction`SELECT pg_advisory_xact_lock(hashtext('skerry auth users'))`;
}

/** Does `work`, which takes something from somebody. Throws `last_admin` where nobody would be left who could undo it. */
export async function keepingAnAdministrator<T>(
  transaction: Transaction,
  work: () => Promise<T>,
): Promise<T> {
  await lockUsers(transaction);
  const before = await hasAdministrator(transaction);
  const result = await work();
  if (!before || (await hasAdministrator(transaction))) return result;
  throw new AuthError(
    "last_admin",
    "That would leave the cloud without an administrator: make another one first",
  );
}

/** Somebody who can sign in, has the role admin, by a group perhaps, and no boundary. */
async function hasAdministrator(transaction: Transaction): Promise<boolean> {
  const found = await transaction`
    SELECT FROM users JOIN administrators ON user_id = users.id WHERE NOT disabled AND boundary IS NULL LIMIT 1`;
  return found.count > 0;
}
