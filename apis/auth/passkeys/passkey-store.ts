import type { Clock } from "../../../std/clock.ts";
import { type Database, isUniqueViolation } from "../../../std/db/database.ts";
import { answered } from "../answered.ts";
import type { Transaction } from "../change-feed.ts";
import { AuthError } from "../errors.ts";
import { lockUser } from "../users.ts";

/** A passkey as its user sees it. Times are ms since the epoch. */
export interface PasskeySummary {
  /** The credential's id, base64url. */
  id: string;
  name: string;
  /** Whether the authenticator keeps copies elsewhere: of a device that is lost, it may live on. */
  backedUp: boolean;
  createdAt: number;
  lastUsedAt: number | null;
}

/** What checks an answer of the authenticator. */
export interface Passkey {
  id: string;
  userId: string;
  publicKey: Uint8Array<ArrayBuffer>;
  counter: number;
  transports: string[];
}

export const PASSKEYS_PER_USER_MAX = 10;

interface SummaryColumns {
  id: string;
  name: string;
  backedUp: boolean;
  created: Date;
  lastUsed: Date | null;
}

interface PasskeyColumns extends Omit<Passkey, "publicKey" | "counter"> {
  publicKey: Uint8Array;
  counter: string;
}

/** The passkeys of the database. Every method may also throw `unavailable`. */
export class PasskeyStore {
  constructor(
    private readonly sql: Database,
    private readonly clock: Clock,
  ) {}

  async list(userId: string): Promise<PasskeySummary[]> {
    const rows = await answered(
      this.sql<SummaryColumns[]>`
        SELECT id, name, backed_up AS "backedUp", created, last_used AS "lastUsed"
        FROM passkeys WHERE user_id = ${userId} ORDER BY created, id COLLATE "C"`,
    );
    return rows.map(toSummary);
  }

  /** The passkeys of a user with what checks their answers. */
  async ofUser(userId: string): Promise<Passkey[]> {
    const rows = await answered(
      this.sql<PasskeyColumns[]>`
        SELECT id, user_id AS "userId", public_key AS "publicKey", counter, transports
        FROM passkeys WHERE user_id = ${userId} ORDER BY created`,
    );
    return rows.map(toPasskey);
  }

  async find(id: string): Promise<Passkey | undefined> {
    const rows = await answered(
      this.sql<PasskeyColumns[]>`
        SELECT id, user_id AS "userId", public_key AS "publicKey", counter, transports
        FROM passkeys WHERE id = ${id}`,
    );
    return rows.map(toPasskey)[0];
  }

  /**
   * Adds a passkey, unless `mayAdd` says no with the user's row locked. Throws `invalid_passkey`, `passkey_exists`,
   * `limit_reached`.
   */
  async add(
    passkey: Passkey & { name: string; backedUp: boolean },
    mayAdd: (transaction: Transaction) => Promise<boolean>,
  ): Promise<PasskeySummary> {
    const { id, userId, name, publicKey, counter, transports, backedUp } = passkey;
    const created = new Date(this.clock.now());
    await answered(
      this.sql.begin(async (transaction) => {
        await transaction`SELECT FROM users WHERE id = ${userId} FOR UPDATE`;
        const [{ count } = { count: 0 }] = await transaction<{ count: number }[]>`
          SELECT count(*)::int FROM passkeys WHERE user_id = ${userId}`;
        if (count >= PASSKEYS_PER_USER_MAX) {
          throw new AuthError("limit_reached", `A user has at most ${PASSKEYS_PER_USER_MAX} passkeys`);
        }
        if (!(await mayAdd(transaction))) throw invalidPasskey();
        try {
          await transaction`
            INSERT INTO passkeys (id, user_id, name, public_key, counter, transports, backed_up, created)
            VALUES (${id}, ${userId}, ${name}, ${publicKey}, ${counter}, ${transports}, ${backedUp}, ${created})`;
        } catch (error) {
          if (!isUniqueViolation(error)) throw error;
          throw new AuthError("passkey_exists", "This passkey is registered already");
        }
      }),
    );
    return { id, name, backedUp, createdAt: created.getTime(), lastUsedAt: null };
  }

  /** Throws `not_found`. */
  async rename(userId: string, id: string, name: string): Promise<void> {
    const { count } = await answered(
      this.sql`UPDATE passkeys SET name = ${name} WHERE id = ${id} AND user_id = ${userId}`,
    );
    if (count === 0) throw noSuchPasskey();
  }

  /** Throws `not_found`. */
  async remove(userId: string, id: string): Promise<void> {
    const { count } = await answered(this.sql`DELETE FROM passkeys WHERE id = ${id} AND user_id = ${userId}`);
    if (count === 0) throw noSuchPasskey();
  }

  /** For a user who lost them. Returns how many there were. Throws `not_found` for an unknown user. */
  async removeAll(userName: string): Promise<number> {
    const { count } = await answered(
      this.sql.begin(async (transaction) => {
        const user = await lockUser(transaction, userName);
        const { count } = await transaction`DELETE FROM passkeys WHERE user_id = ${user.id}`;
        return { count };
      }),
    );
    return count;
  }

  async sweep(): Promise<void> {
    await this.sql`DELETE FROM used_challenges WHERE expires < ${new Date(this.clock.now())}`;
  }
}

export function invalidPasskey(): AuthError {
  return new AuthError("invalid_passkey", "The passkey was not accepted: begin again");
}

function noSuchPasskey(): AuthError {
  return new AuthError("not_found", "There is no such passkey");
}

function toSummary({ id, name, backedUp, created, lastUsed }: SummaryColumns): PasskeySummary {
  return { id, name, backedUp, createdAt: created.getTime(), lastUsedAt: lastUsed?.getTime() ?? null };
}

function toPasskey({ publicKey, counter, ...rest }: PasskeyColumns): Passkey {
  return { ...rest, publicKey: new Uint8Array(publicKey), counter: Number(counter) };
}
