import type { Clock } from "../../../std/clock.ts";
import { AuthError } from "../errors.ts";
import { RateLimit } from "../rate-limit.ts";
import { sourceNetwork } from "../source-network.ts";
import { storedUserName } from "../users.ts";

/** Guessing one user's password from one place. Keyed by both, so that a stranger cannot lock a user out. */
const PER_NAME_AND_SOURCE = { burst: 10, refillMs: 30_000, keysMax: 20_000 };
/** Trying one password on many users from one place. */
const PER_SOURCE = { burst: 100, refillMs: 3_000, keysMax: 20_000 };

/** Counts attempts to prove a password; those that succeed are given back. */
export class SignInLimits {
  private readonly perNameAndSource: RateLimit;
  private readonly perSource: RateLimit;

  constructor(clock: Clock) {
    this.perNameAndSource = new RateLimit(clock, PER_NAME_AND_SOURCE);
    this.perSource = new RateLimit(clock, PER_SOURCE);
  }

  /** Takes an attempt, or throws `too_many_attempts`. Returns what gives it back. */
  take(name: string, source: string): () => void {
    const network = sourceNetwork(source);
    // Impossible names share one key: they match nobody, and as keys they could be long.
    const both = `${storedUserName(name) ?? ""} ${network}`;
    refuseUntil(this.perSource.take(network) || this.perNameAndSource.take(both));
    return () => {
      this.perSource.giveBack(network);
      this.perNameAndSource.giveBack(both);
    };
  }

  /**
   * Runs `work`, which proves something that names nobody beforehand: a token, a passkey. Throws `too_many_attempts`, and
   * what `work` throws. Only what was refused counts: neither success nor a database that is away.
   */
  async attempt<T>(source: string, work: () => Promise<T>): Promise<T> {
    const network = sourceNetwork(source);
    refuseUntil(this.perSource.take(network));
    try {
      const result = await work();
      this.perSource.giveBack(network);
      return result;
    } catch (error) {
      if (!(error instanceof AuthError && error.status < 500)) this.perSource.giveBack(network);
      throw error;
    }
  }
}

function refuseUntil(waitMs: number): void {
  if (waitMs === 0) return;
  throw new AuthError("too_many_attempts", "Too many attempts to sign in: wait, then try again", {
    retryAfterS: Math.ceil(waitMs / 1000),
  });
}
