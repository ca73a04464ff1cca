import type { Clock } from "../../../std/clock.ts";
import { AuthError } from "../errors.ts";
import { RateLimit } from "../rate-limit.ts";
import { sourceNetwork } from "../source-network.ts";
import type { Users } from "../users.ts";
import type { AccountSettingsStore } from "./account-settings.ts";

/** Accounts from one place, made or not. */
const PER_SOURCE = { burst: 5, refillMs: 600_000, keysMax: 20_000 };
/** From all places: at this rate it takes a week to reach the limit of users, and somebody notices. */
const OF_ALL = { burst: 50, refillMs: 60_000, keysMax: 1 };

/** Making an account for oneself, where administrators allow it. */
export class SignUp {
  private readonly perSource: RateLimit;
  private readonly ofAll: RateLimit;

  constructor(
    private readonly users: Users,
    private readonly settings: AccountSettingsStore,
    clock: Clock,
  ) {
    this.perSource = new RateLimit(clock, PER_SOURCE);
    this.ofAll = new RateLimit(clock, OF_ALL);
  }

  /**
   * Makes an account unless the name is taken, and does not tell which: whoever signs in with the password then knows, and
   * whoever only asks for names leaves an account behind with each. Throws `sign_up_closed`, `invalid_name`,
   * `invalid_password`, `limit_reached`, `too_many_attempts`, `busy`, `unavailable`.
   */
  async request(account: { name: string; password: string }, source: string): Promise<void> {
    const { signUp } = await this.settings.get();
    if (!signUp) throw new AuthError("sign_up_closed", "Accounts are made by an administrator here");
    const waitMs = this.perSource.take(sourceNetwork(source)) || this.ofAll.take("all");
    if (waitMs > 0) {
      throw new AuthError("too_many_attempts", "Too many accounts were asked for: wait, then try again", {
        retryAfterS: Math.ceil(waitMs / 1000),
      });
    }
    try {
      await this.users.create(account);
    } catch (error) {
      if (!(error instanceof AuthError && error.code === "name_taken")) throw error;
    }
  }
}
