import { createHash } from "node:crypto";
import type { AuthenticationResponseJSON } from "@simplewebauthn/server";
import { z } from "zod";
import { AuthError } from "../errors.ts";
import type { Assertion, PasskeyCeremonies } from "../passkeys/ceremonies.ts";
import type { PasskeyStore } from "../passkeys/passkey-store.ts";
import type { Client } from "../sessions/client.ts";
import type { LiveSessions, SignedIn } from "../sessions/sessions.ts";
import type { SignInLimits } from "./sign-in-limits.ts";

/** The password was right; now a passkey of the user is asked for. */
export interface SecondFactor {
  secondFactor: Assertion;
}

export interface AssertionAnswer {
  state: string;
  response: AuthenticationResponseJSON;
}

const ALONE = "passkey sign-in";
const SECOND = "passkey second factor";
const SECOND_FACTOR_STATE = z.object({ userId: z.string(), password: z.string() });

/** Signing in with a passkey: alone, or after a password. */
export class PasskeySignIn {
  constructor(
    private readonly store: PasskeyStore,
    private readonly ceremonies: PasskeyCeremonies,
    private readonly sessions: LiveSessions,
    private readonly limits: SignInLimits,
  ) {}

  /** The same for everybody: it names no user. */
  begin(): Promise<Assertion> {
    return this.ceremonies.beginAssertion(ALONE, []);
  }

  /** Throws `invalid_credentials`, `too_many_attempts`, `unavailable`. */
  finish({ state, response }: AssertionAnswer, client: Client): Promise<SignedIn> {
    return this.limits.attempt(client.source, async () => {
      const proof = await this.ceremonies.proof(ALONE, state, response, true);
      const signedIn = proof && (await this.sessions.begin(proof.userId, "passkey", client, proof.stillTrue));
      return signedIn ?? refuse();
    });
  }

  /** What a user with passkeys must do after the password with `hash`; undefined for one without. */
  async beginSecond(userId: string, hash: string): Promise<SecondFactor | undefined> {
    const passkeys = await this.store.ofUser(userId);
    if (passkeys.length === 0) return undefined;
    const value = { userId, password: fingerprint(hash) };
    return { secondFactor: await this.ceremonies.beginAssertion(SECOND, passkeys, value) };
  }

  /** Throws `invalid_credentials`, also where the password was changed meanwhile; `too_many_attempts`, `unavailable`. */
  finishSecond({ state, response }: AssertionAnswer, client: Client): Promise<SignedIn> {
    return this.limits.attempt(client.source, async () => {
      const begun = this.ceremonies.valueOf(SECOND, state, SECOND_FACTOR_STATE);
      const proof = begun && (await this.ceremonies.proof(SECOND, state, response, false));
      if (!begun || proof?.userId !== begun.userId) return refuse();
      const signedIn = await this.sessions.begin(
        begun.userId,
        "password+passkey",
        client,
        async (transaction) => {
          const [row] = await transaction<{ hash: string }[]>`
          SELECT password_hash AS hash FROM users WHERE id = ${begun.userId}`;
          return (
            row !== undefined && fingerprint(row.hash) === begun.password && proof.stillTrue(transaction)
          );
        },
      );
      return signedIn ?? refuse();
    });
  }
}

/** Tells one password's hash from another's, and nothing else. */
function fingerprint(hash: string): string {
  return createHash("sha256").update(hash).digest("base64url");
}

function refuse(): never {
  throw new AuthError("invalid_credentials", "The passkey was not accepted: sign in again");
}
