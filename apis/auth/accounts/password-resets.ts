// A way back in for somebody who forgot the password: an administrator makes a token and hands it over.
import { createHash } from "node:crypto";
import type { Clock } from "../../../std/clock.ts";
import type { Database } from "../../../std/db/database.ts";
import type { Random } from "../../../std/random.ts";
import { answered } from "../answered.ts";
import type { ChangeFeed } from "../change-feed.ts";
import { AuthError } from "../errors.ts";
import { endSessionsOf } from "../sessions/session-store.ts";
import { lockUser } from "../users.ts";
import { checkPassword, type Passwords } from "./passwords.ts";

export const PASSWORD_RESET_MS = 3_600_000;
const TOKEN_BYTES = 32;
const FORM = /^skp\.[A-Za-z0-9_-]{43}$/;

export interface PasswordReset {
  /** Told once; good for one new password. */
  token: string;
  /** ms since the epoch. */
  expiresAt: number;
}

export class PasswordResets {
  constructor(
    private readonly sql: Database,
    private readonly feed: ChangeFeed,
    private readonly passwords: Passwords,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** Makes the token of a user; one made before is void. Throws `not_found`, `unavailable`. */
  async create(userName: string): Promise<PasswordReset> {
    const token = `skp.${this.random.bytes(TOKEN_BYTES).toString("base64url")}`;
    const expiresAt = this.clock.now() + PASSWORD_RESET_MS;
    await answered(
      this.sql.begin(async (transaction) => {
        const user = await lockUser(transaction, userName);
        await transaction`
          INSERT INTO password_resets (user_id, hash, expires)
          VALUES (${user.id}, ${hashOf(token)}, ${new Date(expiresAt)})
          ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, expires = excluded.expires`;
      }),
    );
    return { token, expiresAt };
  }

  /**
   * Sets the password of the token's user, uses the token up and ends the user's sessions. Throws `invalid_token`, whatever
   * is wrong with it or its user, `invalid_password`, `unavailable`.
   */
  async redeem(token: string, password: string): Promise<void> {
    const hash = FORM.test(token) ? hashOf(token) : undefined;
    const [user] = hash ? await answered(this.find(hash)) : [];
    if (!hash || !user) throw invalidToken();
    checkPassword(password, user.name);
    const passwordHash = await this.passwords.hash(password);
    const done = await answered(
      this.feed.write(async (transaction, changed) => {
        // In the order in which everything else locks: the user first.
        await transaction`SELECT FROM users WHERE id = ${user.id} FOR UPDATE`;
        const used = await transaction`
          DELETE FROM password_resets USING users
          WHERE hash = ${hash} AND expires > ${new Date(this.clock.now())} AND users.id = user_id AND NOT disabled`;
        if (used.count === 0) return false;
        await transaction`UPDATE users SET password_hash = ${passwordHash} WHERE id = ${user.id}`;
        await endSessionsOf(transaction, user.id, changed);
        return true;
      }),
    );
    if (!done) throw invalidToken();
  }

  private find(hash: Buffer) {
    return this.sql<{ id: string; name: string }[]>`
      SELECT id, name FROM password_resets JOIN users ON users.id = user_id
      WHERE hash = ${hash} AND expires > ${new Date(this.clock.now())} AND NOT disabled`;
  }

  async sweep(): Promise<void> {
    await this.sql`DELETE FROM password_resets WHERE expires < ${new Date(this.clock.now())}`;
  }
}

function hashOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function invalidToken(): AuthError {
  return new AuthError(
    "invalid_token",
    "The token is wrong, used or over: ask an administrator for a new one",
  );
}
