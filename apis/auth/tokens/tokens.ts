// API tokens: what programs send as Authorization: Bearer. They may do what their scopes and their user both allow; one
// that is made through another is limited by that one too, and over with it.
import { createHash } from "node:crypto";
import type { Clock } from "../../../std/clock.ts";
import type { Database } from "../../../std/db/database.ts";
import type { Random } from "../../../std/random.ts";
import { TOKEN_CHAIN_MAX } from "../access/limits.ts";
import { answered } from "../answered.ts";
import type { ChangeFeed, Transaction } from "../change-feed.ts";
import { AuthError, notFound } from "../errors.ts";
import type { Principal } from "../identity.ts";
import type { LocalCopy } from "../local-copy.ts";
import { lockServiceAccount } from "../service-accounts/service-accounts.ts";
import { lockUser } from "../users.ts";
import { storedScopes } from "./token-scopes.ts";

export const TOKEN_DAYS = 90;
export const TOKEN_DAYS_MAX = 366;
/** All tokens are in memory, about 1 KiB each with their policies. */
export const TOKENS_MAX = 50_000;
export const TOKENS_PER_IDENTITY_MAX = 100;
/** Those that are over stay in lists for so long. */
const KEPT_MS = 7 * 24 * 3_600_000;
const DAY_MS = 24 * 3_600_000;
const ID_BYTES = 10;
const SECRET_BYTES = 32;
const FORM = /^sk_[A-Za-z0-9_-]{43}$/;

/** A user, or a service account, by name. */
export type Owner = { user: string } | { serviceAccount: string };

export interface ApiToken {
  id: string;
  name: string;
  user: string | null;
  serviceAccount: string | null;
  /** Users are in it by their ids. */
  scopes: Record<string, string[]>;
  /** Id of the token that it was made through. */
  parent: string | null;
  /** ms since the epoch, as the following. */
  createdAt: number;
  expiresAt: number;
  /** To the minute. */
  lastUsedAt: number | null;
}

export interface NewApiToken extends ApiToken {
  /** Told only here. */
  token: string;
}

export interface TokenRequest {
  name: string;
  scopes: unknown;
  /** 1 to {@link TOKEN_DAYS_MAX}. */
  days?: number;
}

interface Columns extends Omit<ApiToken, "scopes" | "createdAt" | "expiresAt" | "lastUsedAt"> {
  scopes: string;
  created: Date;
  expires: Date;
  lastUsed: Date | null;
}

/** Whether a bearer token is one of these, and no access token of a session. */
export function isApiToken(token: string): boolean {
  return token.startsWith("sk_");
}

/** Every method that asks the database may also throw `unavailable`. */
export class ApiTokens {
  /** By id, ms since the epoch; written with the next {@link maintain}. At most one entry a token. */
  private readonly used = new Map<string, number>();

  constructor(
    private readonly sql: Database,
    private readonly feed: ChangeFeed,
    private readonly copy: LocalCopy,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** For whom a token speaks; undefined where it is wrong, over, or its user may not be here. Costs no call. */
  verify(token: string): Principal | undefined {
    if (!FORM.test(token)) return undefined;
    const { access } = this.copy;
    const row = access.tokenOfHash(hashOf(token).toString("hex"));
    const limits = row && access.limitsOf(`token:${row.id}`);
    const now = this.clock.now();
    if (!row || !limits || limits.expiresAt <= now) return undefined;
    const principal = access.principalOf(row, `token:${row.id}`);
    if (principal) this.used.set(row.id, now);
    return principal;
  }

  /** All tokens, or those of a user or service account by id, or the one of this id. */
  async list(of: { userId?: string; serviceAccountId?: string; id?: string } = {}): Promise<ApiToken[]> {
    const { userId = null, serviceAccountId = null, id = null } = of;
    const rows = await answered(
      this.sql<Columns[]>`
        SELECT api_tokens.id, api_tokens.name, users.name AS user, service_accounts.name AS "serviceAccount", scopes,
               api_tokens.parent_id AS parent, api_tokens.created, expires, last_used AS "lastUsed"
        FROM api_tokens LEFT JOIN users ON users.id = user_id
             LEFT JOIN service_accounts ON service_accounts.id = service_account_id
        WHERE (${userId}::text IS NULL OR user_id = ${userId})
          AND (${serviceAccountId}::text IS NULL OR service_account_id = ${serviceAccountId})
          AND (${id}::text IS NULL OR api_tokens.id = ${id})
        ORDER BY api_tokens.created, api_tokens.id COLLATE "C"`,
    );
    return rows.map(({ scopes, created, expires, lastUsed, ...token }) => ({
      ...token,
      scopes: JSON.parse(scopes),
      createdAt: created.getTime(),
      expiresAt: expires.getTime(),
      lastUsedAt: this.used.get(token.id) ?? lastUsed?.getTime() ?? null,
    }));
  }

  /** Makes a token; `parentId` is the one it is made through. Throws `invalid_scopes`, `not_found`, `limit_reached`. */
  async create(owner: Owner, request: TokenRequest, parentId?: string): Promise<NewApiToken> {
    const token = `sk_${this.random.bytes(SECRET_BYTES).toString("base64url")}`;
    const id = `t${this.random.bytes(ID_BYTES).toString("hex")}`;
    const scopes = storedScopes(request.scopes, (user) => this.copy.access.userId(user));
    const created = new Date(this.clock.now());
    const wanted = created.getTime() + (request.days ?? TOKEN_DAYS) * DAY_MS;
    await answered(
      this.feed.write(async (transaction, changed) => {
        const { name: _, ...whose } = await lockOwner(transaction, owner);
        const expires = new Date(Math.min(wanted, await this.checkParent(transaction, parentId)));
        await checkRoom(transaction, whose);
        const row = {
          id,
          hash: hashOf(token),
          name: request.name,
          parent_id: parentId ?? null,
          scopes,
          created,
          expires,
        };
        await transaction`INSERT INTO api_tokens ${transaction({ ...row, ...whose })}`;
        changed(`token:${id}`);
      }),
    );
    const [made] = await this.list({ id });
    if (!made) throw notFound("token", id);
    return { ...made, token };
  }

  /** When the parent is over, ms since the epoch. Throws `not_found` for one that is, `limit_reached`. */
  private async checkParent(transaction: Transaction, parentId: string | undefined): Promise<number> {
    if (parentId === undefined) return Number.POSITIVE_INFINITY;
    const [parent] = await transaction<{ expires: Date; depth: number }[]>`
      WITH RECURSIVE chain AS (
        SELECT id, parent_id, 1 AS depth FROM api_tokens WHERE id = ${parentId}
        UNION ALL SELECT up.id, up.parent_id, depth + 1 FROM api_tokens up JOIN chain ON up.id = chain.parent_id)
      SELECT expires, (SELECT max(depth)::int FROM chain) AS depth FROM api_tokens WHERE id = ${parentId} FOR SHARE`;
    if (!parent || parent.expires.getTime() <= this.clock.now()) throw notFound("token", parentId);
    if (parent.depth >= TOKEN_CHAIN_MAX) {
      throw new AuthError(
        "limit_reached",
        `A token has at most ${TOKEN_CHAIN_MAX} generations: make it with another`,
      );
    }
    return parent.expires.getTime();
  }

  /** Ends a token and all that was made through it. Throws `not_found`. */
  async revoke(id: string): Promise<void> {
    await answered(
      this.feed.write(async (transaction, changed) => {
        // What was made through it goes by the foreign keys; in the copies it is worth nothing without its parent.
        const losing = await transaction<{ id: string }[]>`
          WITH RECURSIVE made AS (
            SELECT id, user_id, service_account_id FROM api_tokens WHERE id = ${id}
            UNION ALL SELECT next.id, next.user_id, next.service_account_id
            FROM api_tokens AS next JOIN made ON next.parent_id = made.id)
          SELECT coalesce(user_id, service_account_id) AS id FROM made
          UNION SELECT accounts.id FROM service_accounts AS accounts JOIN made ON accounts.parent_id = made.id`;
        const { count } = await transaction`DELETE FROM api_tokens WHERE id = ${id}`;
        if (count === 0) throw notFound("token", id);
        changed(`token:${id}`);
        for (const identity of losing) changed(`identity:${identity.id}`);
      }),
    );
    this.used.delete(id);
  }

  /** Writes when tokens were last used, and removes those that are long over. */
  async maintain(): Promise<void> {
    const used = [...this.used];
    const ids = used.map(([id]) => id);
    const times = used.map(([, at]) => new Date(at).toISOString());
    await this.sql`
      UPDATE api_tokens SET last_used = greatest(last_used, used.at::timestamptz)
      FROM unnest(${ids}::text[], ${times}::text[]) AS used (id, at) WHERE api_tokens.id = used.id`;
    // Those that were used again meanwhile are for the next time.
    for (const [id, at] of used) if (this.used.get(id) === at) this.used.delete(id);
    await this.sql`DELETE FROM api_tokens WHERE expires < ${new Date(this.clock.now() - KEPT_MS)}`;
  }
}

export interface OwnerColumns {
  name: string;
  user_id: string | null;
  service_account_id: string | null;
}

/** Throws `not_found`. */
export async function lockOwner(transaction: Transaction, owner: Owner): Promise<OwnerColumns> {
  if ("user" in owner) {
    const { id, name } = await lockUser(transaction, owner.user);
    return { name, user_id: id, service_account_id: null };
  }
  const { id, name } = await lockServiceAccount(transaction, owner.serviceAccount);
  return { name, user_id: null, service_account_id: id };
}

async function checkRoom(
  transaction: Transaction,
  { user_id, service_account_id }: Omit<OwnerColumns, "name">,
): Promise<void> {
  const [counts] = await transaction<{ own: number; all: number }[]>`
    SELECT count(*) FILTER (WHERE coalesce(user_id, service_account_id) = ${user_id ?? service_account_id})::int AS own,
           count(*)::int AS all
    FROM api_tokens`;
  const full = (whose: string, limit: number) =>
    new AuthError("limit_reached", `${whose} ${limit} API tokens: revoke some first`);
  if (counts!.own >= TOKENS_PER_IDENTITY_MAX) throw full("The owner has", TOKENS_PER_IDENTITY_MAX);
  if (counts!.all >= TOKENS_MAX) throw full("There are", TOKENS_MAX);
}

function hashOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
