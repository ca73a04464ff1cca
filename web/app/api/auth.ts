import type { AccessKeySummary, NewAccessKey } from "../../../apis/auth/access-keys.ts";
import type { Principal } from "../../../apis/auth/identity.ts";
import type { Assertion } from "../../../apis/auth/passkeys/ceremonies.ts";
import type { SignedInPage } from "../../../apis/auth/sessions/session-routes.ts";
import type { SecondFactor } from "../../../apis/auth/sign-in/passkey-sign-in.ts";
import { call } from "./http.ts";

export type { AccessKeySummary, Assertion, NewAccessKey };
export type User = Principal;

export interface SignInMethods {
  /** Whether anybody may make an account. */
  signUp: boolean;
  providers: { id: string; name: string }[];
}

const AUTH = "/api/auth";
const SESSION = `${AUTH}/session`;
const KEYS = `${AUTH}/keys`;
const SIGNS_IN = { anonymous: true, signsIn: true };

export const auth = {
  whoAmI: () => call<{ user: User }>("GET", SESSION, { anonymous: true }),
  methods: (signal?: AbortSignal) =>
    call<SignInMethods>("GET", `${AUTH}/sign-in-methods`, { ...SIGNS_IN, signal }),
  /** Where a plain link leads to sign in with an account elsewhere. */
  providerPath: (id: string) => `${AUTH}/openid/${encodeURIComponent(id)}/start`,
  signIn: (user: string, password: string) =>
    call<SignedInPage | SecondFactor>("POST", SESSION, { ...SIGNS_IN, body: { user, password } }),
  beginPasskeySignIn: () => call<Assertion>("POST", `${SESSION}/passkey/options`, SIGNS_IN),
  /** `second`: after the password, else alone. */
  proveWithPasskey: (second: boolean, state: string, response: unknown) =>
    call<SignedInPage>("POST", `${SESSION}/${second ? "second-factor" : "passkey"}`, {
      ...SIGNS_IN,
      body: { state, response },
    }),
  /** Answers alike whether the account was made or the name is somebody's. */
  signUp: (name: string, password: string) =>
    call<void>("POST", `${AUTH}/sign-up`, { ...SIGNS_IN, body: { name, password } }),
  /** Uses up the token that an administrator handed over. */
  resetPassword: (token: string, password: string) =>
    call<void>("POST", `${AUTH}/password-reset`, { ...SIGNS_IN, body: { token, password } }),
  signOut: () => call<void>("DELETE", SESSION, { anonymous: true }),
  /** Whether this person may do `action` on the thing that `resource`, an ARN, names. */
  may: (action: string, resource: string, signal?: AbortSignal) =>
    call<{ allowed: boolean }>("GET", `${AUTH}/explain?${new URLSearchParams({ action, resource })}`, {
      signal,
    }),
  /** Names the user, because an administrator who names nobody gets everybody's. */
  listKeys: (user: string, signal?: AbortSignal) =>
    call<{ keys: AccessKeySummary[] }>("GET", `${KEYS}?user=${encodeURIComponent(user)}`, { signal }),
  createKey: () => call<NewAccessKey>("POST", KEYS, { body: {} }),
  revokeKey: (accessKeyId: string) => call<void>("DELETE", `${KEYS}/${encodeURIComponent(accessKeyId)}`),
};
