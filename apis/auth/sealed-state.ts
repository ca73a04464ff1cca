// What has to be known again when a client comes back, kept by the client: nobody but us can read or alter it, and
// strangers who begin something and never end it fill no table.
import { createHash } from "node:crypto";
import { z } from "zod";
import type { Clock } from "../../std/clock.ts";
import type { Transaction } from "./change-feed.ts";
import { SealError, type SealedBox } from "./sealed-box.ts";

/** Sealed states of ours have up to 1,200 characters. */
export const STATE_LENGTH_MAX = 2_048;
/** Of one user, within the life of a state. */
const USED_STATES_PER_USER_MAX = 100;

const ENVELOPE = z.object({ value: z.unknown(), expires: z.number() });

export class SealedStates {
  constructor(
    private readonly box: SealedBox,
    private readonly clock: Clock,
  ) {}

  /** `value` as a text that opens for `purpose` alone, for `ms`. */
  seal(purpose: string, value: unknown, ms: number): string {
    const text = JSON.stringify({ value, expires: this.clock.now() + ms });
    return this.box.seal(Buffer.from(text), `state:${purpose}`).toString("base64url");
  }

  /** The value of {@link seal}; undefined for a text that is altered, over, or for another purpose. */
  open<Schema extends z.ZodType>(
    purpose: string,
    text: string,
    schema: Schema,
  ): z.output<Schema> | undefined {
    if (text.length > STATE_LENGTH_MAX) return undefined;
    const opened = this.unseal(purpose, text);
    if (opened === undefined) return undefined;
    const { value, expires } = ENVELOPE.parse(JSON.parse(opened));
    return expires > this.clock.now() ? schema.parse(value) : undefined;
  }

  private unseal(purpose: string, text: string): string | undefined {
    try {
      return this.box.open(Buffer.from(text, "base64url"), `state:${purpose}`).toString();
    } catch (error) {
      if (error instanceof SealError) return undefined;
      throw error;
    }
  }
}

/**
 * Notes that `challenge` was answered by the user, whose row the caller has locked. False where it was answered before: the
 * same answer is not taken twice. `expires` is when no state with the challenge opens any more.
 */
export async function useChallengeUp(
  transaction: Transaction,
  userId: string,
  challenge: string,
  expires: Date,
): Promise<boolean> {
  const hash = createHash("sha256").update(challenge).digest();
  const { count } = await transaction`
    INSERT INTO used_challenges (hash, user_id, expires)
    SELECT ${hash}, ${userId}, ${expires}
    WHERE (SELECT count(*) FROM used_challenges WHERE user_id = ${userId}) < ${USED_STATES_PER_USER_MAX}
    ON CONFLICT DO NOTHING`;
  return count === 1;
}
