import type { LinkedIdentity } from "../../../apis/auth/openid/identities.ts";
import type { Registration } from "../../../apis/auth/passkeys/ceremonies.ts";
import type { PasskeySummary } from "../../../apis/auth/passkeys/passkey-store.ts";
import type { SessionSummary } from "../../../apis/auth/sessions/session-store.ts";
import type { ApiToken, NewApiToken } from "../../../apis/auth/tokens/tokens.ts";
import type { UserWithAccess } from "../../../apis/auth/users.ts";
import { call, refreshSession } from "./http.ts";

export type { ApiToken, LinkedIdentity, NewApiToken, PasskeySummary, UserWithAccess };
/** `current`: the one that asks. */
export type OwnSession = SessionSummary & { current: boolean };

export interface TokenWish {
  name: string;
  scopes: Record<string, string[]>;
  days: number;
}

const AUTH = "/api/auth";
const one = (collection: string, id: string) => `${AUTH}/${collection}/${encodeURIComponent(id)}`;

/** What one has and does with one's own account. */
export const account = {
  profile: (user: string, signal?: AbortSignal) =>
    call<UserWithAccess>("GET", one("users", user), { signal }),
  /** Ends every session of the user, this one too. A 401 is about the current password. */
  async changePassword(user: string, currentPassword: string, password: string): Promise<void> {
    // Not left to the retry after a 401: it would count as a second wrong guess.
    await refreshSession();
    const body = { currentPassword, password };
    return call("PUT", `${one("users", user)}/password`, { body, anonymous: true, signsIn: true });
  },

  sessions: (signal?: AbortSignal) => call<{ sessions: OwnSession[] }>("GET", `${AUTH}/sessions`, { signal }),
  endSession: (id: string) => call<void>("DELETE", one("sessions", id)),
  endOtherSessions: () => call<{ ended: number }>("DELETE", `${AUTH}/sessions`),

  passkeys: (signal?: AbortSignal) =>
    call<{ passkeys: PasskeySummary[] }>("GET", `${AUTH}/passkeys`, { signal }),
  beginPasskey: () => call<Registration>("POST", `${AUTH}/passkeys/registration`),
  addPasskey: (state: string, name: string, response: unknown) =>
    call<PasskeySummary>("POST", `${AUTH}/passkeys`, { body: { state, name, response } }),
  renamePasskey: (id: string, name: string) => call<void>("PATCH", one("passkeys", id), { body: { name } }),
  deletePasskey: (id: string) => call<void>("DELETE", one("passkeys", id)),

  /** Names the user, because an administrator who names nobody gets everybody's. */
  tokens: (user: string, signal?: AbortSignal) =>
    call<{ tokens: ApiToken[] }>("GET", `${AUTH}/tokens?user=${encodeURIComponent(user)}`, { signal }),
  createToken: (wish: TokenWish) => call<NewApiToken>("POST", `${AUTH}/tokens`, { body: wish }),
  revokeToken: (id: string) => call<void>("DELETE", one("tokens", id)),

  identities: (signal?: AbortSignal) =>
    call<{ identities: LinkedIdentity[] }>("GET", `${AUTH}/identities`, { signal }),
  /** Where to send the person so that the provider tells who they are there. */
  linkIdentity: (provider: string) =>
    call<{ url: string }>("POST", `${AUTH}/openid/${encodeURIComponent(provider)}/link`),
  unlinkIdentity: (id: string) => call<void>("DELETE", one("identities", id)),
};
