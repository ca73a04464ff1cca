import { z } from "zod";
import type { Clock } from "../../../std/clock.ts";
import type { Log } from "../../../std/log.ts";
import { AuthError } from "../errors.ts";
import { type SealedStates, useChallengeUp } from "../sealed-state.ts";
import type { Client } from "../sessions/client.ts";
import type { LiveSession, LiveSessions, SignedIn } from "../sessions/sessions.ts";
import type { SignInLimits } from "../sign-in/sign-in-limits.ts";
import type { Identities } from "./identities.ts";
import type { Provider, Providers } from "./providers.ts";
import type { Identity, RelyingParty } from "./relying-party.ts";

/** From leaving for the provider to coming back. */
export const FLOW_MS = 10 * 60_000;

const FLOW = z.object({
  provider: z.string(),
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  /** The session whose user wants the account linked; absent for signing in. */
  sessionId: z.string().optional(),
});

/** Where to send the person, and what their browser keeps until they are back. */
export interface Departure {
  url: string;
  flow: string;
}

/** Signing in with an account elsewhere, and linking one to the account here. */
export class OpenidSignIn {
  constructor(
    private readonly providers: Providers,
    private readonly party: RelyingParty,
    private readonly identities: Identities,
    private readonly states: SealedStates,
    private readonly sessions: LiveSessions,
    private readonly limits: SignInLimits,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Throws `not_found`, `provider_unavailable`, `unavailable`. With a session: to link the account to its user. */
  async begin(providerId: string, session?: LiveSession): Promise<Departure> {
    const { url, flow } = await this.party.begin(await this.providers.get(providerId));
    const kept = { ...flow, provider: providerId, sessionId: session?.id };
    return { url, flow: this.states.seal("openid flow", kept, FLOW_MS) };
  }

  /**
   * Takes a person back who left with `flow` and comes with the query `search`. Gives a session, or nothing where an account
   * was linked. Throws `openid_refused`, whatever is wrong; `not_linked` for an account that stands for nobody here;
   * `identity_taken`, `limit_reached`, `too_many_attempts`, `unavailable`.
   */
  finish(providerId: string, search: string, flow: string, client: Client): Promise<SignedIn | undefined> {
    return this.limits.attempt(client.source, async () => {
      const begun = this.states.open("openid flow", flow, FLOW);
      if (!begun || begun.provider !== providerId) throw refused();
      const provider = await this.providers.get(providerId);
      const identity = await this.identify(provider, search, begun);
      if (begun.sessionId !== undefined) {
        await this.link(begun.sessionId, identity);
        return undefined;
      }
      return this.signIn(providerId, identity, begun.state, client);
    });
  }

  private async identify(provider: Provider, search: string, flow: z.output<typeof FLOW>): Promise<Identity> {
    try {
      return await this.party.finish(provider, search, flow);
    } catch (error) {
      if (error instanceof AuthError) throw error;
      // The library's messages name what did not fit; codes and tokens are not in them.
      const { message, name, code } = error as Error & { code?: string };
      this.log.warn("a sign-in by a provider was refused", { provider: provider.id, name, code, message });
      throw refused();
    }
  }

  private async link(sessionId: string, identity: Identity): Promise<void> {
    const session = await this.sessions.ofId(sessionId);
    if (!session) throw new AuthError("unauthenticated", "The session is over: sign in");
    await this.identities.link(session.principal.userId, sessionId, identity);
  }

  private async signIn(
    providerId: string,
    identity: Identity,
    state: string,
    client: Client,
  ): Promise<SignedIn> {
    const userId = await this.identities.userOf(identity);
    if (userId === undefined) {
      throw new AuthError("not_linked", "That account is linked to nobody here: sign in and link it first");
    }
    const over = new Date(this.clock.now() + FLOW_MS);
    const signedIn = await this.sessions.begin(
      userId,
      `openid:${providerId}`,
      client,
      async (transaction) =>
        (await useChallengeUp(transaction, userId, state, over)) &&
        (await this.identities.use(transaction, identity, userId)),
    );
    return signedIn ?? refuse();
  }
}

function refused(): AuthError {
  return new AuthError("openid_refused", "The provider's answer was not accepted: sign in again");
}

function refuse(): never {
  throw refused();
}
