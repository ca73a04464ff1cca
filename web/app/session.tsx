import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from "react";
import { type Assertion, auth, type User } from "./api/auth.ts";
import { ApiError, onSessionEnd, REFRESH_EVERY_MS, refreshSession } from "./api/http.ts";
import { provePasskey } from "./passkeys.ts";

export type SessionState =
  | { state: "checking" }
  | { state: "unreachable"; error: unknown }
  /** `notice`: why, where it was not the person's own wish. */
  | { state: "signed-out"; notice?: string }
  | { state: "signed-in"; user: User };

interface Session {
  session: SessionState;
  /**
   * Rejects with the API's error when the name or password is wrong. Resolves to what a passkey must still prove, where
   * the account has one.
   */
  signIn(user: string, password: string): Promise<Assertion | undefined>;
  /** Signs in with a passkey: alone, or as `second` after the password. */
  signInWithPasskey(second?: Assertion): Promise<void>;
  /** Ends the session; `notice` is told on the page that is shown then. */
  signOut(notice?: string): Promise<void>;
  /** Asks the server again who this is. */
  check(): void;
}

const ENDED = "Your session ended. Sign in again to go on where you were.";

const SessionContext = createContext<Session | undefined>(undefined);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error("useSession is only for components inside SessionProvider.");
  return session;
}

export function SessionProvider({ children }: { children: ReactNode }) {
  const [session, setSession] = useState<SessionState>({ state: "checking" });

  const check = useCallback(() => {
    setSession({ state: "checking" });
    auth.whoAmI().then(
      ({ user }) => setSession({ state: "signed-in", user }),
      (error: unknown) =>
        error instanceof ApiError && error.status === 401
          ? setSession({ state: "signed-out" })
          : setSession({ state: "unreachable", error }),
    );
  }, []);
  useEffect(check, [check]);
  useEffect(
    () =>
      onSessionEnd(() =>
        setSession((now) => (now.state === "signed-in" ? { state: "signed-out", notice: ENDED } : now)),
      ),
    [],
  );
  const signedIn = session.state === "signed-in";
  useEffect(() => {
    if (!signedIn) return;
    const timer = setInterval(() => void refreshSession(), REFRESH_EVERY_MS);
    // The timers of a page in the background, or of a machine that slept, are late.
    const onReturn = () => {
      if (document.visibilityState === "visible") void refreshSession();
    };
    document.addEventListener("visibilitychange", onReturn);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", onReturn);
    };
  }, [signedIn]);

  const signIn = useCallback(async (name: string, password: string) => {
    const answer = await auth.signIn(name, password);
    if ("secondFactor" in answer) return answer.secondFactor;
    setSession({ state: "signed-in", user: answer.user });
    return undefined;
  }, []);
  const signInWithPasskey = useCallback(async (second?: Assertion) => {
    const { state, options } = second ?? (await auth.beginPasskeySignIn());
    const proof = await provePasskey(options);
    const { user } = await auth.proveWithPasskey(second !== undefined, state, proof);
    setSession({ state: "signed-in", user });
  }, []);
  const signOut = useCallback(async (notice?: string) => {
    await auth.signOut().catch((error: unknown) => {
      // Over already is as good as ended.
      if (!(error instanceof ApiError && error.status === 401)) throw error;
    });
    setSession({ state: "signed-out", notice });
  }, []);
  const value = useMemo(
    () => ({ session, signIn, signInWithPasskey, signOut, check }),
    [session, signIn, signInWithPasskey, signOut, check],
  );
  return <SessionContext value={value}>{children}</SessionContext>;
}
