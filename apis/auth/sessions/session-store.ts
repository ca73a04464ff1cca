import type { Clock } from "../../../std/clock.ts";
import type { Database } from "../../../std/db/database.ts";
import type { Random } from "../../../std/random.ts";
import type { Change, ChangeFeed, Transaction } from "../change-feed.ts";
import { sourceNetwork } from "../source-network.ts";
import type { Client } from "./client.ts";
import { type ClaimedRefreshToken, REFRESH_SEED_SIZE, type RefreshTokens } from "./refresh-tokens.ts";

/** A session that is not refreshed for so long is over. */
export const SESSION_IDLE_MS = 24 * 3_600_000;
/** However often it is refreshed, a session ends so long after signing in. */
export const SESSION_MS_MAX = 30 * 24 * 3_600_000;
/** Beyond it the session of a user that was not used for longest ends: signing in over and over fills neither table nor memory. */
export const SESSIONS_PER_USER_MAX = 20;
/**
 * An answer may be lost, or a page loaded anew while it is on its way: for so long the token before the current one is
 * answered with the current one again, never with a second line of tokens. A thief who uses it gains nothing lasting:
 * two now hold the same token, and the second of them to use it ends the session.
 */
export const REFRESH_GRACE_MS = 10_000;
/** 128 bits: not to be guessed, and never drawn twice. */
const SESSION_ID_BYTES = 16;

/** How somebody proved who they are; `openid:` is followed by the provider's id. */
export type SignInMethod = "password" | "password+passkey" | "passkey" | `openid:${string}`;

export interface Session {
  id: string;
  userId: string;
  /** ms since the epoch. */
  expiresAt: number;
}

export interface RefreshedSession extends Session {
  refreshToken: string;
}

/** A session as its user and administrators see it. Times are ms since the epoch. */
export interface SessionSummary {
  id: string;
  /** The user's name. */
  user: string;
  method: string;
  createdAt: number;
  /** Of the last refresh: up to the life of an access token behind. */
  lastUsedAt: number;
  expiresAt: number;
  /** An IPv4 address or an IPv6 /64. */
  network: string;
  userAgent: string;
}

interface Rotation extends Session {
  generation: number;
}

interface SessionColumns {
  userId: string;
  created: Date;
  lastUsed: Date;
  expires: Date;
  seed: Uint8Array;
  generation: number;
}

/** The sessions of the database: a row is a session that was not ended. */
export class SessionStore {
  constructor(
    private readonly sql: Database,
    private readonly feed: ChangeFeed,
    private readonly refreshTokens: RefreshTokens,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /**
   * Begins a session of a user who proved `method`. `stillTrue` looks, with the user's row locked, whether that proof
   * still holds. Undefined where it does not, or the user is disabled or removed meanwhile: that ended all sessions, and
   * this one must not survive it.
   */
  async begin(
    userId: string,
    method: SignInMethod,
    client: Client,
    stillTrue: (transaction: Transaction) => Promise<boolean>,
  ): Promise<RefreshedSession | undefined> {
    const now = this.clock.now();
    const id = this.random.bytes(SESSION_ID_BYTES).toString("base64url");
    const seed = this.random.bytes(REFRESH_SEED_SIZE);
    const session: Session = { id, userId, expiresAt: now + SESSION_IDLE_MS };
    return this.feed.write(async (transaction, changed) => {
      const [enabled] = await transaction`
        SELECT 1 FROM users WHERE id = ${userId} AND NOT disabled FOR UPDATE`;
      if (!enabled || !(await stillTrue(transaction))) return undefined;
      await transaction`
        INSERT INTO sessions (id, user_id, created, last_used, expires, network, user_agent, method, refresh_seed, generation)
        VALUES (${id}, ${userId}, ${new Date(now)}, ${new Date(now)}, ${new Date(session.expiresAt)},
                ${sourceNetwork(client.source)}, ${client.userAgent}, ${method}, ${seed}, 0)`;
      changed(`session:${id}`);
      await endLeastUsed(transaction, userId, changed);
      return { ...session, refreshToken: this.refreshTokens.tokenOf(id, seed, 0) };
    });
  }

  /**
   * Takes a refresh token and gives the next one. `invalid` for one that the session never had or a session that is over;
   * `reused` for one that was used before, and then the session is ended: its holder and a thief cannot be told apart.
   */
  async refresh(
    claimed: ClaimedRefreshToken,
    client: Client,
  ): Promise<RefreshedSession | "invalid" | "reused"> {
    const { sessionId: id } = claimed;
    return this.feed.write(async (transaction, changed) => {
      const [row] = await transaction<SessionColumns[]>`
        SELECT user_id AS "userId", created, last_used AS "lastUsed", expires, refresh_seed AS seed, generation
        FROM sessions WHERE id = ${id} FOR UPDATE`;
      if (!row || row.expires.getTime() <= this.clock.now()) return "invalid";
      if (!this.refreshTokens.isGenuine(claimed, row.seed) || claimed.generation > row.generation) {
        return "invalid";
      }
      const rotated = this.rotationOf(id, row, claimed.generation);
      if (rotated === undefined) {
        await transaction`DELETE FROM sessions WHERE id = ${id}`;
        changed(`session:${id}`);
        return "reused";
      }
      if (rotated.generation > row.generation) {
        await this.storeRotation(transaction, rotated, client);
        changed(`session:${id}`);
      }
      const { userId, expiresAt, generation } = rotated;
      return { id, userId, expiresAt, refreshToken: this.refreshTokens.tokenOf(id, row.seed, generation) };
    });
  }

  /** What the token of `presented` leads to; undefined where it was used before and the grace is over. */
  private rotationOf(id: string, row: SessionColumns, presented: number): Rotation | undefined {
    const now = this.clock.now();
    if (presented === row.generation) {
      const expiresAt = Math.min(now + SESSION_IDLE_MS, row.created.getTime() + SESSION_MS_MAX);
      return { id, userId: row.userId, expiresAt, generation: row.generation + 1 };
    }
    const lost = presented === row.generation - 1 && now - row.lastUsed.getTime() <= REFRESH_GRACE_MS;
    if (!lost) return undefined;
    return { id, userId: row.userId, expiresAt: row.expires.getTime(), generation: row.generation };
  }

  private async storeRotation(transaction: Transaction, rotated: Rotation, client: Client): Promise<void> {
    await transaction`
      UPDATE sessions SET generation = ${rotated.generation}, last_used = ${new Date(this.clock.now())},
        expires = ${new Date(rotated.expiresAt)}, network = ${sourceNetwork(client.source)},
        user_agent = ${client.userAgent}
      WHERE id = ${rotated.id}`;
  }

  /** The live sessions of a user, the last used first. */
  async list(userId: string): Promise<SessionSummary[]> {
    type Columns = Omit<SessionSummary, "createdAt" | "lastUsedAt" | "expiresAt"> &
      Pick<SessionColumns, "created" | "lastUsed" | "expires">;
    const rows = await this.sql<Columns[]>`
      SELECT sessions.id, name AS user, method, network, user_agent AS "userAgent", sessions.created,
             last_used AS "lastUsed", expires
      FROM sessions JOIN users ON users.id = user_id
      WHERE user_id = ${userId} AND expires > ${new Date(this.clock.now())}
      ORDER BY last_used DESC, sessions.id`;
    return rows.map(({ created, lastUsed, expires, ...session }) => ({
      ...session,
      createdAt: created.getTime(),
      lastUsedAt: lastUsed.getTime(),
      expiresAt: expires.getTime(),
    }));
  }

  /** When a session was begun, ms since the epoch; undefined for one that is not there. */
  async begunAt(id: string): Promise<number | undefined> {
    const [row] = await this.sql<{ created: Date }[]>`SELECT created FROM sessions WHERE id = ${id}`;
    return row?.created.getTime();
  }

  /** Ends a session. Returns whether there was one. */
  async end(id: string): Promise<boolean> {
    return this.feed.write(async (transaction, changed) => {
      const { count } = await transaction`DELETE FROM sessions WHERE id = ${id}`;
      changed(`session:${id}`);
      return count > 0;
    });
  }

  /** Ends the sessions of a user, but for `keptId`. Returns how many. */
  async endAll(userId: string, keptId?: string): Promise<number> {
    return this.feed.write((transaction, changed) => endSessionsOf(transaction, userId, changed, keptId));
  }

  /** Removes what has expired. The local copies look at the time themselves. */
  async sweep(): Promise<void> {
    await this.sql`DELETE FROM sessions WHERE expires < ${new Date(this.clock.now())}`;
  }
}

/** Ends the sessions of a user, but for `keptId`, within `transaction`. Returns how many. */
export async function endSessionsOf(
  transaction: Transaction,
  userId: string,
  changed: (change: Change) => void,
  keptId = "",
): Promise<number> {
  const ended = await transaction<{ id: string }[]>`
    DELETE FROM sessions WHERE user_id = ${userId} AND id <> ${keptId} RETURNING id`;
  for (const { id } of ended) changed(`session:${id}`);
  return ended.length;
}

async function endLeastUsed(
  transaction: Transaction,
  userId: string,
  changed: (change: Change) => void,
): Promise<void> {
  const ended = await transaction<{ id: string }[]>`
    DELETE FROM sessions WHERE id IN (
      SELECT id FROM sessions WHERE user_id = ${userId}
      ORDER BY last_used DESC, id OFFSET ${SESSIONS_PER_USER_MAX})
    RETURNING id`;
  for (const { id } of ended) changed(`session:${id}`);
}
