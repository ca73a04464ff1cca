import { answered } from "../answered.ts";
import { AuthError } from "../errors.ts";
import type { Client } from "../sessions/client.ts";
import type { LiveSessions, SignedIn } from "../sessions/sessions.ts";
import type { Users } from "../users.ts";
import type { PasskeySignIn, SecondFactor } from "./passkey-sign-in.ts";
import type { SignInLimits } from "./sign-in-limits.ts";

/** Signing in with a name and a password. */
export class PasswordSignIn {
  constructor(
    private readonly users: Users,
    private readonly sessions: LiveSessions,
    private readonly passkeys: PasskeySignIn,
    private readonly limits: SignInLimits,
  ) {}

  /**
   * Proves a password and begins a session, or asks a user with passkeys for one of them. Throws `invalid_credentials`, whatever was wrong and after the same work,
   * `too_many_attempts` or `busy`.
   */
  async signIn(name: string, password: string, client: Client): Promise<SignedIn | SecondFactor> {
    const { user, hash } = await this.prove(name, password, client.source);
    const next = await this.passkeys.beginSecond(user.id, hash);
    if (next) return next;
    const signedIn = await this.sessions.begin(user.id, "password", client, async (transaction) => {
      const { count } =
        await transaction`SELECT FROM users WHERE id = ${user.id} AND password_hash = ${hash}`;
      return count > 0;
    });
    if (!signedIn) throw wrongCredentials();
    return signedIn;
  }

  /** Attempts that were not answered, for want of the database or of time, do not count. */
  async prove(name: string, password: string, source: string) {
    const giveBack = this.limits.take(name, source);
    try {
      const proved = await answered(this.users.authenticate(name, password));
      if (!proved) throw wrongCredentials();
      giveBack();
      return proved;
    } catch (error) {
      if (error instanceof AuthError && error.status === 503) giveBack();
      throw error;
    }
  }
}

/** One wording, whichever was wrong. */
function wrongCredentials(): AuthError {
  return new AuthError("invalid_credentials", "The user name or the password is wrong");
}
