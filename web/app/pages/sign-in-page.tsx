import { type FormEvent, useEffect, useRef, useState } from "react";
import { type Assertion, auth, type SignInMethods } from "../api/auth.ts";
import { messageOf } from "../api/http.ts";
import { Button } from "../components/button.tsx";
import { Field } from "../components/field.tsx";
import { Link } from "../components/link.tsx";
import { Notice } from "../components/notice.tsx";
import { useTitle } from "../hooks/use-title.ts";
import { formatRoute } from "../routes.ts";
import { useSession } from "../session.tsx";
import { OtherWays } from "../sign-in/other-ways.tsx";
import { takeSignInError } from "../sign-in/sign-in-error.ts";
import { SignInFrame } from "../sign-in/sign-in-frame.tsx";

const PASSWORD_ALONE: SignInMethods = { signUp: false, providers: [] };

export function SignInPage({ notice }: { notice?: string }) {
  const { signIn, signInWithPasskey } = useSession();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const [second, setSecond] = useState<Assertion>();
  const [methods, setMethods] = useState(PASSWORD_ALONE);
  const passwordInput = useRef<HTMLInputElement>(null);
  useTitle("Sign in");
  useEffect(() => {
    const told = takeSignInError();
    if (told !== undefined) setProblem(told);
    const abort = new AbortController();
    // Without an answer the password is a way still.
    auth.methods(abort.signal).then(setMethods, () => {});
    return () => abort.abort();
  }, []);

  /** Where it succeeds, this page goes. */
  async function attempt(work: () => Promise<void>): Promise<void> {
    if (busy) return;
    setProblem(undefined);
    setBusy(true);
    try {
      await work();
    } catch (error) {
      setProblem(messageOf(error));
    }
    setBusy(false);
  }
  function prove(assertion: Assertion): Promise<void> {
    return attempt(() => signInWithPasskey(assertion));
  }
  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    if (busy) return;
    if (name === "" || password === "") return setProblem("Enter both the user name and the password.");
    let asked: Assertion | undefined;
    await attempt(async () => {
      asked = await signIn(name, password);
      setSecond(asked);
      if (asked) await signInWithPasskey(asked);
    });
  }
  // After a failure the password is what is typed again.
  useEffect(() => {
    if (problem) passwordInput.current?.select();
  }, [problem]);

  if (second) {
    return (
      <SecondFactorCard
        name={name}
        busy={busy}
        problem={problem}
        onProve={() => prove(second)}
        onBack={() => {
          setSecond(undefined);
          setPassword("");
          setProblem(undefined);
        }}
      />
    );
  }
  return (
    <SignInFrame title="Sign in" onSubmit={submit}>
      {notice && <Notice kind="info">{notice}</Notice>}
      {problem && <Notice>{problem}</Notice>}
      <Field label="User name">
        <input
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          // biome-ignore lint/a11y/noAutofocus: signing in is all that this page is for
          autoFocus
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
      </Field>
      <Field label="Password">
        <input
          ref={passwordInput}
          name="password"
          type="password"
          autoComplete="current-password"
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
      </Field>
      <Button kind="primary" type="submit" busy={busy}>
        {busy ? "Signing in…" : "Sign in"}
      </Button>
      <OtherWays methods={methods} busy={busy} onPasskey={() => attempt(() => signInWithPasskey())} />
      {methods.signUp && (
        <p>
          No account yet? <Link href={formatRoute({ page: "sign-up" })}>Create one</Link>
        </p>
      )}
      <p className="sign-in-hint muted">
        Forgot your password? An administrator can give you a link for a new one. The first administrator’s
        password is in <code>credentials.json</code> in the data directory.
      </p>
    </SignInFrame>
  );
}

interface SecondFactorCardProps {
  name: string;
  busy: boolean;
  problem?: string;
  onProve(): void;
  onBack(): void;
}

/** After the password, for an account with passkeys. The browser asks by itself; the button is for another try. */
function SecondFactorCard({ name, busy, problem, onProve, onBack }: SecondFactorCardProps) {
  return (
    <SignInFrame
      title="Use your passkey"
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy) onProve();
      }}
    >
      <p className="muted">The password of {name} is right. Now show that you have one of its passkeys.</p>
      {problem && <Notice>{problem}</Notice>}
      <Button kind="primary" type="submit" busy={busy} autoFocus>
        {busy ? "Waiting for the passkey…" : "Try again"}
      </Button>
      <Button kind="quiet" onClick={onBack}>
        Sign in as somebody else
      </Button>
    </SignInFrame>
  );
}
