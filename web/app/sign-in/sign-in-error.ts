const PARAMETER = "sign-in-error";

/** By the codes with which the server sends people back from a provider. */
const MESSAGES: Record<string, string> = {
  openid_refused: "The provider’s answer was not accepted. Try again.",
  not_linked:
    "That account is linked to nobody here. Sign in another way, then link it on the page of your account.",
  identity_taken: "That account is linked to somebody else here.",
  limit_reached: "Your account has as many linked accounts as it can have. Unlink one first.",
  too_many_attempts: "There were too many attempts. Wait a little, then try again.",
  provider_unavailable: "The provider does not answer. Try again in a moment, or sign in another way.",
  not_found: "That provider is not set up here any more.",
  unauthenticated: "Your session ended meanwhile. Sign in, then try again.",
  unavailable: "The server is not ready. Try again in a moment.",
};

/** What went wrong at a provider, in words, if this page was opened with it. The address then loses it. */
export function takeSignInError(): string | undefined {
  const query = new URLSearchParams(location.search);
  const code = query.get(PARAMETER);
  if (code === null) return undefined;
  query.delete(PARAMETER);
  const rest = query.toString();
  history.replaceState(null, "", `${location.pathname}${rest && `?${rest}`}${location.hash}`);
  return Object.hasOwn(MESSAGES, code)
    ? MESSAGES[code]
    : "Signing in with that account did not work. Try again.";
}
