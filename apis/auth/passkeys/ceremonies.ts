// The two ceremonies of WebAuthn (Level 3): registering a passkey, and proving that one has it.
// Each begins with a challenge that is sealed into a state for the client, bound to what it is for, and answered once.
import {
  type AuthenticationResponseJSON,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type PublicKeyCredentialCreationOptionsJSON,
  type PublicKeyCredentialRequestOptionsJSON,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from "@simplewebauthn/server";
import { z } from "zod";
import type { Clock } from "../../../std/clock.ts";
import type { Random } from "../../../std/random.ts";
import type { Transaction } from "../change-feed.ts";
import { type SealedStates, useChallengeUp } from "../sealed-state.ts";
import type { LiveSession } from "../sessions/sessions.ts";
import { invalidPasskey, type Passkey, type PasskeyStore, type PasskeySummary } from "./passkey-store.ts";

export const CHALLENGE_MS = 5 * 60_000;
const CHALLENGE_BYTES = 32;

export interface Registration {
  /** To be sent back with the answer. */
  state: string;
  options: PublicKeyCredentialCreationOptionsJSON;
}

export interface Assertion {
  /** To be sent back with the answer. */
  state: string;
  options: PublicKeyCredentialRequestOptionsJSON;
}

/** That somebody has a passkey. It holds when `stillTrue` says so in the transaction that acts on it. */
export interface PasskeyProof {
  userId: string;
  stillTrue: (transaction: Transaction) => Promise<boolean>;
}

const REGISTRATION_STATE = z.object({ challenge: z.string(), sessionId: z.string() });
const ASSERTION_STATE = z.object({ challenge: z.string() });

export class PasskeyCeremonies {
  /** `domain` is the relying party's id: the console's host name. */
  constructor(
    private readonly store: PasskeyStore,
    private readonly states: SealedStates,
    private readonly domain: string,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** What the browser needs to make a passkey for the user of `session`. */
  async beginRegistration(session: LiveSession): Promise<Registration> {
    const { userId, name } = session.principal;
    const challenge = this.random.bytes(CHALLENGE_BYTES);
    const present = await this.store.ofUser(userId);
    const options = await generateRegistrationOptions({
      rpName: "Skerry",
      rpID: this.domain,
      userName: name,
      userID: new Uint8Array(Buffer.from(userId)),
      challenge: new Uint8Array(challenge),
      timeout: CHALLENGE_MS,
      attestationType: "none",
      excludeCredentials: present.map(descriptor),
      // A key that can do less is welcome as a second factor.
      authenticatorSelection: { residentKey: "preferred", userVerification: "preferred" },
    });
    const value = { challenge: challenge.toString("base64url"), sessionId: session.id };
    return { state: this.states.seal("passkey registration", value, CHALLENGE_MS), options };
  }

  /** Throws `invalid_passkey`, `passkey_exists`, `limit_reached`. */
  async register(
    session: LiveSession,
    { state, name, response }: { state: string; name: string; response: RegistrationResponseJSON },
  ): Promise<PasskeySummary> {
    const begun = this.states.open("passkey registration", state, REGISTRATION_STATE);
    if (!begun || begun.sessionId !== session.id) throw invalidPasskey();
    const verified = await verifyRegistrationResponse({
      response,
      expectedChallenge: begun.challenge,
      expectedOrigin: this.expectedOrigin(response.response.clientDataJSON),
      expectedRPID: this.domain,
      requireUserVerification: false,
    }).catch(() => ({ verified: false as const }));
    if (!verified.verified) throw invalidPasskey();
    const { credential, credentialBackedUp: backedUp } = verified.registrationInfo;
    const { id, publicKey, counter } = credential;
    const { userId } = session.principal;
    const transports = response.response.transports ?? [];
    return this.store.add({ id, userId, name, publicKey, counter, transports, backedUp }, (transaction) =>
      this.useUp(transaction, userId, begun.challenge),
    );
  }

  /** What the browser needs to prove a passkey: of one user, or of whoever it finds one. */
  async beginAssertion(
    purpose: string,
    passkeys: readonly Passkey[],
    value: object = {},
  ): Promise<Assertion> {
    const challenge = this.random.bytes(CHALLENGE_BYTES);
    const options = await generateAuthenticationOptions({
      rpID: this.domain,
      challenge: new Uint8Array(challenge),
      timeout: CHALLENGE_MS,
      allowCredentials: passkeys.map(descriptor),
      userVerification: passkeys.length === 0 ? "required" : "preferred",
    });
    const sealed = { ...value, challenge: challenge.toString("base64url") };
    return { state: this.states.seal(purpose, sealed, CHALLENGE_MS), options };
  }

  /** What {@link beginAssertion} was given for this purpose; undefined for a state that is not of it, or over. */
  valueOf<Schema extends z.ZodType>(purpose: string, state: string, schema: Schema) {
    return this.states.open(purpose, state, schema);
  }

  /**
   * Checks the answer to {@link beginAssertion}. Undefined for any that is wrong in whatever way; `verifiedUser` demands that
   * the authenticator has made sure of the person, by PIN or finger.
   */
  async proof(
    purpose: string,
    state: string,
    response: AuthenticationResponseJSON,
    verifiedUser: boolean,
  ): Promise<PasskeyProof | undefined> {
    const begun = this.states.open(purpose, state, ASSERTION_STATE);
    const passkey = begun && (await this.store.find(response.id));
    if (!begun || !passkey || !isHandleOf(passkey.userId, response.response.userHandle)) return undefined;
    const { id, userId, publicKey, counter } = passkey;
    const { verified, authenticationInfo: told } = await verifyAuthenticationResponse({
      response,
      expectedChallenge: begun.challenge,
      expectedOrigin: this.expectedOrigin(response.response.clientDataJSON),
      expectedRPID: this.domain,
      credential: { id, publicKey, counter },
      requireUserVerification: verifiedUser,
    }).catch(() => ({ verified: false, authenticationInfo: undefined }));
    if (!verified || !told) return undefined;
    return {
      userId,
      stillTrue: async (transaction) => {
        if (!(await this.useUp(transaction, userId, begun.challenge))) return false;
        const { count } = await transaction`
          UPDATE passkeys SET counter = ${told.newCounter}, backed_up = ${told.credentialBackedUp},
            last_used = ${new Date(this.clock.now())}
          WHERE id = ${id} AND user_id = ${userId} AND counter = ${counter}`;
        return count === 1;
      },
    };
  }

  private useUp(transaction: Transaction, userId: string, challenge: string): Promise<boolean> {
    return useChallengeUp(transaction, userId, challenge, new Date(this.clock.now() + CHALLENGE_MS));
  }

  /**
   * The console's own origin, at whichever port: ports say nothing about who serves a host, and gateways have their own.
   * Other hosts of the domain are not ours alone: what users store is served from some of them.
   */
  private expectedOrigin(clientDataJSON: string): string {
    const { origin } = CLIENT_DATA.safeParse(parsedJson(clientDataJSON)).data ?? {};
    const url = origin === undefined ? null : URL.parse(origin);
    const own = url?.protocol === "https:" && url.hostname === this.domain && url.origin === origin;
    return own ? url.origin : `https://${this.domain}`;
  }
}

const CLIENT_DATA = z.object({ origin: z.string() });

function parsedJson(encoded: string): unknown {
  try {
    return JSON.parse(Buffer.from(encoded, "base64url").toString());
  } catch {
    // The library refuses it with everything else that is wrong.
    return undefined;
  }
}

/** An authenticator that was told which passkeys to look for may leave the handle out. */
function isHandleOf(userId: string, handle: string | undefined): boolean {
  return handle === undefined || Buffer.from(handle, "base64url").toString() === userId;
}

function descriptor({ id, transports }: Passkey) {
  return { id, transports };
}
