import type { Clock } from "../../../std/clock.ts";
import type { Log } from "../../../std/log.ts";
import { answered } from "../answered.ts";
import { BoundedMap } from "../bounded-map.ts";
import type { ChangeFeed, Transaction } from "../change-feed.ts";
import { AuthError } from "../errors.ts";
import type { Principal } from "../identity.ts";
import type { LocalCopy } from "../local-copy.ts";
import type { AccessTokens } from "./access-tokens.ts";
import type { Client } from "./client.ts";
import { parseRefreshToken } from "./refresh-tokens.ts";
import type { RefreshedSession, SessionStore, SessionSummary, SignInMethod } from "./session-store.ts";

/** A session that is not over, and whose it is. */
export interface LiveSession {
  id: string;
  principal: Principal;
  /** ms since the epoch. */
  expiresAt: number;
}

/** What signing in or refreshing gives. */
export interface SignedIn {
  /** The access token. */
  token: string;
  /** Of the access token, ms since the epoch. */
  expiresAt: number;
  /** Good for one refresh. */
  refreshToken: string;
  /** When the session is over unless it is refreshed, ms since the epoch. */
  sessionExpiresAt: number;
  user: Principal;
}

/** How long after signing in a session may do what outlasts it. */
export const RECENT_SIGN_IN_MS = 10 * 60_000;
/** Sessions that are known to be over; their ids never come back. */
const ENDED_MAX = 10_000;

/** Sessions, and the tokens that stand for them. Every method may also throw `unavailable`. */
export class LiveSessions {
  private readonly ended = new BoundedMap<string, true>(ENDED_MAX);

  constructor(
    private readonly store: SessionStore,
    private readonly tokens: AccessTokens,
    private readonly copy: LocalCopy,
    private readonly feed: ChangeFeed,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** The live session of an access token, or undefined where it is missing, wrong or over. */
  async ofToken(token: string): Promise<LiveSession | undefined> {
    const claims = await this.tokens.verify(token);
    const session = claims && (await this.ofId(claims.sessionId));
    return session?.principal.userId === claims?.userId ? session : undefined;
  }

  /** The session of this id while it lives and its user may be here. */
  async ofId(id: string): Promise<LiveSession | undefined> {
    if (this.ended.get(id)) return undefined;
    const session = this.copy.session(id) ?? (await this.lookUp(id));
    if (!session || session.expiresAt <= this.clock.now()) return undefined;
    const principal = this.copy.principal(session.userId);
    return principal && { id, principal, expiresAt: session.expiresAt };
  }

  /** Another process may have begun it a moment ago, and its notification be still on the way. */
  private async lookUp(id: string) {
    await answered(this.feed.apply([`session:${id}`]));
    const session = this.copy.session(id);
    if (!session) this.ended.set(id, true);
    return session;
  }

  /** Begins a session; see {@link SessionStore.begin}. */
  async begin(
    userId: string,
    method: SignInMethod,
    client: Client,
    stillTrue: (transaction: Transaction) => Promise<boolean>,
  ): Promise<SignedIn | undefined> {
    const session = await answered(this.store.begin(userId, method, client, stillTrue));
    return session && this.signedIn(session);
  }

  /**
   * Throws `recent_sign_in_required` unless the session began a moment ago: with what somebody else left signed in, no
   * lasting way into the account may be made or taken away.
   */
  async requireRecent(session: LiveSession): Promise<void> {
    const begunAt = await answered(this.store.begunAt(session.id));
    if (begunAt !== undefined && this.clock.now() - begunAt <= RECENT_SIGN_IN_MS) return;
    const minutes = RECENT_SIGN_IN_MS / 60_000;
    throw new AuthError(
      "recent_sign_in_required",
      `This is possible within ${minutes} minutes after signing in: sign in again`,
    );
  }

  /** Takes a refresh token, gives fresh tokens. Throws `unauthenticated` for one that is wrong, used or over. */
  async refresh(refreshToken: string, client: Client): Promise<SignedIn> {
    const claimed = parseRefreshToken(refreshToken);
    // Ids that are made up cost a look at the local copy, and a query the first time only.
    const live = claimed && (await this.ofId(claimed.sessionId));
    if (!claimed || !live) throw sessionOver();
    const result = await answered(this.store.refresh(claimed, client));
    if (result === "reused") {
      this.ended.set(claimed.sessionId, true);
      const { userId } = live.principal;
      this.log.warn("a refresh token was used twice; its session is ended", { userId, session: live.id });
    }
    const signedIn = typeof result === "object" ? await this.signedIn(result) : undefined;
    if (!signedIn) throw sessionOver();
    return signedIn;
  }

  private async signedIn(session: RefreshedSession): Promise<SignedIn | undefined> {
    const user = this.copy.principal(session.userId);
    if (!user) return undefined;
    const { refreshToken, expiresAt: sessionExpiresAt } = session;
    return { ...(await this.tokens.issue(session)), refreshToken, sessionExpiresAt, user };
  }

  /** The live sessions of a user, the last used first. */
  list(userId: string): Promise<SessionSummary[]> {
    return answered(this.store.list(userId));
  }

  /** Ends a session in every process, or leaves it ended. */
  async signOut(id: string): Promise<void> {
    await answered(this.store.end(id));
    this.ended.set(id, true);
  }

  /** Ends a session in every process. Throws `not_found`. */
  async end(id: string): Promise<void> {
    const found = await answered(this.store.end(id));
    if (!found) throw new AuthError("not_found", "There is no such session");
    this.ended.set(id, true);
  }

  /** Ends the sessions of a user, but for `keptId`. Returns how many. */
  endAll(userId: string, keptId?: string): Promise<number> {
    return answered(this.store.endAll(userId, keptId));
  }
}

function sessionOver(): AuthError {
  return new AuthError("unauthenticated", "The session is over: sign in");
}
