// The OpenID Connect providers that people may sign in with, as administrators set them up.
import type { Clock } from "../../../std/clock.ts";
import type { Database } from "../../../std/db/database.ts";
import { answered } from "../answered.ts";
import { AuthError } from "../errors.ts";
import type { SealedBox } from "../sealed-box.ts";

export const PROVIDERS_MAX = 20;

/** A provider without its secret, which is never told again. */
export interface ProviderSummary {
  id: string;
  /** For the button. */
  name: string;
  issuer: string;
  clientId: string;
  /** Where the provider sends people back to; registered there. */
  callbackUrl: string;
  /** ms since the epoch. */
  createdAt: number;
}

export interface Provider extends Omit<ProviderSummary, "createdAt"> {
  clientSecret: string;
}

type ProviderColumns = Omit<ProviderSummary, "createdAt"> & { sealed: Uint8Array; created: Date };

/** Every method may also throw `unavailable`. */
export class Providers {
  constructor(
    private readonly sql: Database,
    private readonly box: SealedBox,
    private readonly domain: string,
    private readonly clock: Clock,
  ) {}

  async list(): Promise<ProviderSummary[]> {
    return (await this.rows()).map(({ sealed: _, created, ...rest }) => ({
      ...rest,
      createdAt: created.getTime(),
    }));
  }

  /** Throws `not_found`. */
  async get(id: string): Promise<Provider> {
    const row = (await this.rows()).find((each) => each.id === id);
    if (!row) throw noSuchProvider();
    const { sealed, created: _, ...rest } = row;
    return { ...rest, clientSecret: this.box.open(sealed, context(id)).toString() };
  }

  private rows(): Promise<ProviderColumns[]> {
    return answered(
      this.sql<ProviderColumns[]>`
        SELECT id, name, issuer, client_id AS "clientId", callback_url AS "callbackUrl", sealed, created
        FROM identity_providers ORDER BY id COLLATE "C"`,
    );
  }

  /** Adds a provider or replaces it as a whole. Throws `invalid_provider`, `limit_reached`. */
  async put(provider: Provider): Promise<void> {
    this.check(provider);
    const { id, name, issuer, clientId, callbackUrl, clientSecret } = provider;
    const sealed = this.box.seal(Buffer.from(clientSecret), context(id));
    const { count } = await answered(
      this.sql.begin(async (transaction) => {
        await transaction`SELECT pg_advisory_xact_lock(hashtext('skerry auth identity providers'))`;
        const { count } = await transaction`
          INSERT INTO identity_providers (id, name, issuer, client_id, callback_url, sealed, created)
          SELECT ${id}, ${name}, ${issuer}, ${clientId}, ${callbackUrl}, ${sealed}, ${new Date(this.clock.now())}
          WHERE (SELECT count(*) FROM identity_providers WHERE id <> ${id}) < ${PROVIDERS_MAX}
          ON CONFLICT (id) DO UPDATE SET name = excluded.name, issuer = excluded.issuer,
            client_id = excluded.client_id, callback_url = excluded.callback_url, sealed = excluded.sealed`;
        return { count };
      }),
    );
    if (count === 0) throw new AuthError("limit_reached", `There are ${PROVIDERS_MAX} providers: remove one`);
  }

  private check({ id, issuer, callbackUrl }: Provider): void {
    const at = URL.parse(issuer);
    if (!at || !isTrustedTransport(at) || at.search !== "" || at.hash !== "") {
      throw new AuthError(
        "invalid_provider",
        "issuer: must be an https URL, as the provider's tokens name it",
      );
    }
    const back = URL.parse(callbackUrl);
    const path = `/api/auth/openid/${id}/callback`;
    const own = back?.protocol === "https:" && back.hostname === this.domain && back.pathname === path;
    if (!own || back.search !== "" || back.hash !== "") {
      const expected = `https://${this.domain}${path}`;
      throw new AuthError(
        "invalid_provider",
        `callbackUrl: must be ${expected}, with the port where there is one`,
      );
    }
  }

  /** The accounts that were linked stay so, for when the provider comes back. Throws `not_found`. */
  async remove(id: string): Promise<void> {
    const { count } = await answered(this.sql`DELETE FROM identity_providers WHERE id = ${id}`);
    if (count === 0) throw noSuchProvider();
  }
}

/** TLS; or a provider on this very machine, whose traffic nobody else sees. */
export function isTrustedTransport({ protocol, hostname }: URL): boolean {
  const loopback = hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
  return protocol === "https:" || (protocol === "http:" && loopback);
}

function noSuchProvider(): AuthError {
  return new AuthError("not_found", "There is no such provider");
}

function context(id: string): string {
  return `identity-provider:${id}`;
}
