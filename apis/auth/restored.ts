import type { TransactionSql } from "postgres";

/**
 * To be run on a database that came back from a backup, before it serves: ends all sessions, since those that were ended after the
 * backup would be valid again, and withdraws the password resets, which may have been used. Returns how many sessions ended.
 */
export async function endRestoredSessions(transaction: TransactionSql): Promise<number> {
  await transaction`DELETE FROM password_resets`;
  const { count } = await transaction`DELETE FROM sessions`;
  return count;
}
