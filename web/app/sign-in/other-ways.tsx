import { auth, type SignInMethods } from "../api/auth.ts";
import { Button } from "../components/button.tsx";
import { hasPasskeys } from "../passkeys.ts";

/** Ways to sign in without a password: a passkey, and the providers that administrators set up. */
export function OtherWays({
  methods,
  busy,
  onPasskey,
}: {
  methods: SignInMethods;
  busy: boolean;
  onPasskey(): void;
}) {
  const passkeys = hasPasskeys();
  if (!passkeys && methods.providers.length === 0) return null;
  return (
    <div className="sign-in-ways">
      <p className="sign-in-or muted">or</p>
      {passkeys && (
        <Button icon="key" busy={busy} onClick={onPasskey}>
          Use a passkey
        </Button>
      )}
      {methods.providers.map(({ id, name }) => (
        <a key={id} className="button button-secondary" href={auth.providerPath(id)}>
          Continue with {name}
        </a>
      ))}
    </div>
  );
}
