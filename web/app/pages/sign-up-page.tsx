import { type FormEvent, useState } from "react";
import { auth } from "../api/auth.ts";
import { ApiError, messageOf } from "../api/http.ts";
import { Button } from "../components/button.tsx";
import { Link } from "../components/link.tsx";
import { NewPasswordFields, NO_PASSWORD, newPasswordProblem } from "../components/new-password-fields.tsx";
import { NewUserNameField } from "../components/new-user-name-field.tsx";
import { Notice } from "../components/notice.tsx";
import { Unreachable } from "../components/unreachable.tsx";
import { useResource } from "../hooks/use-resource.ts";
import { useTask } from "../hooks/use-task.ts";
import { useTitle } from "../hooks/use-title.ts";
import { useSession } from "../session.tsx";
import { SignInFrame } from "../sign-in/sign-in-frame.tsx";

/** For whoever has no account, where administrators let anybody make one. */
export function SignUpPage() {
  const { resource, reload } = useResource(auth.methods);
  useTitle("Create account");
  switch (resource.state) {
    case "loading":
      return <div className="splash" role="status" aria-label="Loading" />;
    case "failed":
      return <Unreachable error={resource.error} onRetry={reload} />;
    case "ready":
      return resource.value.signUp ? <SignUpForm /> : <Closed />;
  }
}

function Closed() {
  return (
    <SignInFrame title="Create account">
      <Notice kind="info">Accounts are made by an administrator here. Ask one for yours.</Notice>
      <Link className="button button-primary" href="/">
        Go to sign-in
      </Link>
    </SignInFrame>
  );
}

/** The server does not say whether a name was free. Signing in does: with this password it is only one's own account. */
const NOT_YOURS = "That name is not free. Choose another one.";

function SignUpForm() {
  const { signIn } = useSession();
  const [name, setName] = useState("");
  const [given, setGiven] = useState(NO_PASSWORD);
  const [missing, setMissing] = useState<string>();
  const { busy, error, run } = useTask();

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    const wanted = name.trim();
    const problem = wanted === "" ? "Enter a user name." : newPasswordProblem(given);
    setMissing(problem);
    if (problem !== undefined) return;
    await run(async () => {
      await auth.signUp(wanted, given.password);
      const second = await signIn(wanted, given.password).catch((refused: unknown) => {
        const taken = refused instanceof ApiError && refused.status === 401;
        throw taken ? new Error(NOT_YOURS) : refused;
      });
      if (second) throw new Error("You have this account already. Go to sign-in to use its passkey.");
    });
  }
  const problem = missing ?? (error === undefined ? undefined : messageOf(error));
  return (
    <SignInFrame title="Create account" onSubmit={submit}>
      {problem && <Notice>{problem}</Notice>}
      <NewUserNameField autoComplete="username" value={name} onChange={setName} />
      <NewPasswordFields label="Password" value={given} onChange={setGiven} />
      <Button kind="primary" type="submit" busy={busy}>
        {busy ? "Creating the account…" : "Create account"}
      </Button>
      <p>
        Have an account already? <Link href="/">Sign in</Link>
      </p>
    </SignInFrame>
  );
}
