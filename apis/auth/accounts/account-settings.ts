import type { Database } from "../../../std/db/database.ts";
import { answered } from "../answered.ts";

/** What administrators decide about accounts. */
export interface AccountSettings {
  /** Whether anybody may make an account. */
  signUp: boolean;
}

/** Closed until somebody opens it. */
const DEFAULTS: AccountSettings = { signUp: false };

/** Read from the database each time, so that a change holds everywhere at once. Methods may throw `unavailable`. */
export class AccountSettingsStore {
  constructor(private readonly sql: Database) {}

  async get(): Promise<AccountSettings> {
    const [row] = await answered(
      this.sql<AccountSettings[]>`SELECT sign_up AS "signUp" FROM account_settings`,
    );
    return row ?? DEFAULTS;
  }

  async set(settings: AccountSettings): Promise<AccountSettings> {
    await answered(
      this.sql`
        INSERT INTO account_settings (single, sign_up) VALUES (true, ${settings.signUp})
        ON CONFLICT (single) DO UPDATE SET sign_up = excluded.sign_up`,
    );
    return settings;
  }
}
