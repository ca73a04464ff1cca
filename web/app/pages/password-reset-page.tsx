import { type FormEvent, useState } from "react";
import { auth } from "../api/auth.ts";
import { messageOf } from "../api/http.ts";
import { Button } from "../components/button.tsx";
import { Link } from "../components/link.tsx";
import { NewPasswordFields, NO_PASSWORD, newPasswordProblem } from "../components/new-password-fields.tsx";
import { Notice } from "../components/notice.tsx";
import { useTitle } from "../hooks/use-title.ts";
import { SignInFrame } from "../sign-in/sign-in-frame.tsx";

/** For whoever follows the link that an administrator made. The token stands in the fragment. */
export function PasswordResetPage() {
  const [token] = useState(() => location.hash.slice(1));
  const [given, setGiven] = useState(NO_PASSWORD);
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState(false);
  const [problem, setProblem] = useState<string>();
  useTitle("New password");

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    if (busy) return;
    const wrong = newPasswordProblem(given);
    setProblem(wrong);
    if (wrong) return;
    setBusy(true);
    try {
      await auth.resetPassword(token, given.password);
      setDone(true);
    } catch (error) {
      setProblem(messageOf(error));
    }
    setBusy(false);
  }

  return (
    <SignInFrame title="New password" onSubmit={submit}>
      {done ? (
        <>
          <Notice kind="info">The new password is set, and all earlier sessions have ended.</Notice>
          <Link className="button button-primary" href="/">
            Go to sign-in
          </Link>
        </>
      ) : (
        <>
          <p className="muted">The link that brought you here is good for one new password.</p>
          {problem && <Notice>{problem}</Notice>}
          <NewPasswordFields value={given} onChange={setGiven} />
          <Button kind="primary" type="submit" busy={busy}>
            Set the password
          </Button>
        </>
      )}
    </SignInFrame>
  );
}
