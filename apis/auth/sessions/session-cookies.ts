// A page's tokens are in cookies that no script can read:
// - the access token goes to every path of this host alone (__Host-);
// - the refresh token goes to the one path that takes it. Its cookie has a path and so cannot be __Host-: a page on a host
//   below ours could plant one of its own session. It is taken only beside an access token of the same session, over or
//   not, which nobody else can plant; that one is kept as long for this reason alone.
// Neither is sent with a request that another site causes (SameSite=Strict).
import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { decodeJwt } from "jose";
import { parseRefreshToken } from "./refresh-tokens.ts";
import type { SignedIn } from "./sessions.ts";

export const SESSION_COOKIE = "__Host-skerry_session";
export const REFRESH_COOKIE = "__Secure-skerry_refresh";

const PROTECTED = { httpOnly: true, secure: true, sameSite: "Strict" } as const;

export function setSessionCookies(context: Context, signedIn: SignedIn): void {
  setCookie(context, SESSION_COOKIE, signedIn.token, {
    ...PROTECTED,
    path: "/",
    expires: new Date(signedIn.sessionExpiresAt),
  });
  setCookie(context, REFRESH_COOKIE, signedIn.refreshToken, {
    ...PROTECTED,
    path: refreshPath(context),
    expires: new Date(signedIn.sessionExpiresAt),
  });
}

/** The refresh token of a page; undefined without one, `foreign` where the access token is not of the same session. */
export function refreshCookie(context: Context): { token: string; foreign: boolean } | undefined {
  const token = getCookie(context, REFRESH_COOKIE);
  if (token === undefined) return undefined;
  const sessionId = parseRefreshToken(token)?.sessionId;
  const foreign = sessionId === undefined || sessionId !== claimedSession(getCookie(context, SESSION_COOKIE));
  return { token, foreign };
}

/** Unchecked: it is only compared. */
function claimedSession(accessToken = ""): string | undefined {
  try {
    return decodeJwt(accessToken).jti;
  } catch {
    return undefined;
  }
}

export function clearSessionCookies(context: Context): void {
  deleteCookie(context, SESSION_COOKIE, { ...PROTECTED, path: "/" });
  deleteCookie(context, REFRESH_COOKIE, { ...PROTECTED, path: refreshPath(context) });
}

/** The API is at a path of the console's host, and at the root of a host of its own. */
function refreshPath(context: Context): string {
  return `${mountPath(context)}/session/refresh`;
}

export function mountPath(context: Context): string {
  return context.req.path.startsWith("/api/auth/") ? "/api/auth" : "";
}
