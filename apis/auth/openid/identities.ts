import type { Clock } from "../../../std/clock.ts";
import type { Database } from "../../../std/db/database.ts";
import type { Random } from "../../../std/random.ts";
import { answered } from "../answered.ts";
import type { Transaction } from "../change-feed.ts";
import { AuthError } from "../errors.ts";
import type { Identity } from "./relying-party.ts";

export const IDENTITIES_PER_USER_MAX = 10;
const ID_BYTES = 10;

/** An account elsewhere that signs in here. Times are ms since the epoch. */
export interface LinkedIdentity extends Identity {
  id: string;
  createdAt: number;
  lastUsedAt: number | null;
}

/** Which accounts elsewhere stand for which user: by issuer and subject alone, since anything else can be taken over. */
export class Identities {
  constructor(
    private readonly sql: Database,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  async list(userId: string): Promise<LinkedIdentity[]> {
    type Columns = Identity & { id: string; created: Date; lastUsed: Date | null };
    const rows = await answered(
      this.sql<Columns[]>`
        SELECT id, issuer, subject, created, last_used AS "lastUsed" FROM linked_identities
        WHERE user_id = ${userId} ORDER BY created, id`,
    );
    return rows.map(({ created, lastUsed, ...rest }) => ({
      ...rest,
      createdAt: created.getTime(),
      lastUsedAt: lastUsed?.getTime() ?? null,
    }));
  }

  async userOf({ issuer, subject }: Identity): Promise<string | undefined> {
    const [row] = await answered(
      this.sql<{ userId: string }[]>`
        SELECT user_id AS "userId" FROM linked_identities WHERE issuer = ${issuer} AND subject = ${subject}`,
    );
    return row?.userId;
  }

  /** Whether the identity still stands for the user, within the transaction that signs in. */
  async use(transaction: Transaction, { issuer, subject }: Identity, userId: string): Promise<boolean> {
    const { count } = await transaction`
      UPDATE linked_identities SET last_used = ${new Date(this.clock.now())}
      WHERE issuer = ${issuer} AND subject = ${subject} AND user_id = ${userId}`;
    return count === 1;
  }

  /** Throws `identity_taken`, `limit_reached`; `unauthenticated` unless `sessionId` is there. */
  async link(userId: string, sessionId: string, { issuer, subject }: Identity): Promise<void> {
    const id = this.random.bytes(ID_BYTES).toString("hex");
    await answered(
      this.sql.begin(async (transaction) => {
        await transaction`SELECT FROM users WHERE id = ${userId} FOR UPDATE`;
        const session =
          await transaction`SELECT FROM sessions WHERE id = ${sessionId} AND user_id = ${userId}`;
        if (session.count === 0) throw new AuthError("unauthenticated", "The session is over: sign in");
        const [{ count } = { count: 0 }] = await transaction<{ count: number }[]>`
          SELECT count(*)::int FROM linked_identities WHERE user_id = ${userId}`;
        if (count >= IDENTITIES_PER_USER_MAX) {
          throw new AuthError(
            "limit_reached",
            `A user has at most ${IDENTITIES_PER_USER_MAX} linked accounts`,
          );
        }
        const linked = await transaction`
          INSERT INTO linked_identities (id, issuer, subject, user_id, created)
          VALUES (${id}, ${issuer}, ${subject}, ${userId}, ${new Date(this.clock.now())}) ON CONFLICT DO NOTHING`;
        if (linked.count === 0) throw new AuthError("identity_taken", "That account is linked already");
      }),
    );
  }

  /** Throws `not_found`. */
  async unlink(userId: string, id: string): Promise<void> {
    const { count } = await answered(
      this.sql`DELETE FROM linked_identities WHERE id = ${id} AND user_id = ${userId}`,
    );
    if (count === 0) throw new AuthError("not_found", "There is no such linked account");
  }
}
