// Identities of programs: no password, only access keys and API tokens. One of a user may do what its own roles allow and
// its user may do as well; what it makes is the user's. One of the cloud may do what its roles allow.
import type { Clock } from "../../../std/clock.ts";
import { type Database, isUniqueViolation } from "../../../std/db/database.ts";
import type { Random } from "../../../std/random.ts";
import { newName, storedName } from "../access/names.ts";
import { answered } from "../answered.ts";
import type { ChangeFeed, Transaction } from "../change-feed.ts";
import { AuthError, notFound } from "../errors.ts";
import { lockUser } from "../users.ts";

export interface ServiceAccount {
  id: string;
  name: string;
  /** Its user's name; null: the cloud's. */
  owner: string | null;
  disabled: boolean;
  boundary: string | null;
  roles: string[];
  /** ms since the epoch. */
  createdAt: number;
}

export interface NewServiceAccount {
  name: string;
  /** A user's name; null: the cloud. */
  owner: string | null;
  /** The API token that makes it, and will end it. */
  parentId?: string;
}

/** All of them are in memory. */
export const SERVICE_ACCOUNTS_MAX = 10_000;
export const SERVICE_ACCOUNTS_PER_OWNER_MAX = 100;
const ID_BYTES = 10;

/** Names are taken in any case; every method may also throw `unavailable`. */
export class ServiceAccounts {
  constructor(
    private readonly sql: Database,
    private readonly feed: ChangeFeed,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** All of them, those of one user (by id), or the one of a name. */
  async list({ ownerId, name }: { ownerId?: string; name?: string } = {}): Promise<ServiceAccount[]> {
    const rows = await answered(
      this.sql<(Omit<ServiceAccount, "createdAt"> & { created: Date })[]>`
        SELECT service_accounts.id, service_accounts.name, users.name AS owner, service_accounts.disabled,
               service_accounts.boundary, service_accounts.created,
               ARRAY(SELECT role FROM role_attachments WHERE service_account_id = service_accounts.id
                     ORDER BY role COLLATE "C") AS roles
        FROM service_accounts LEFT JOIN users ON users.id = owner_id
        WHERE (${ownerId ?? null}::text IS NULL OR owner_id = ${ownerId ?? ""})
          AND (${name ?? null}::text IS NULL OR service_accounts.name = ${storedName(name ?? "") ?? ""})
        ORDER BY service_accounts.name COLLATE "C"`,
    );
    return rows.map(({ created, ...account }) => ({ ...account, createdAt: created.getTime() }));
  }

  /** Throws `not_found`. */
  async get(name: string): Promise<ServiceAccount> {
    const [account] = await this.list({ name });
    if (!account) throw notFound("service account", name);
    return account;
  }

  /** Throws `invalid_name`, `name_taken`, `not_found`, `limit_reached`. */
  async create({ name, owner, parentId }: NewServiceAccount): Promise<ServiceAccount> {
    const stored = newName("service account", name);
    const id = `s${this.random.bytes(ID_BYTES).toString("hex")}`;
    await answered(
      this.feed.write(async (transaction, changed) => {
        await transaction`SELECT pg_advisory_xact_lock(hashtext('skerry auth service accounts'))`;
        const ownerId = owner === null ? null : (await lockUser(transaction, owner)).id;
        await checkRoom(transaction, ownerId);
        const created = new Date(this.clock.now());
        const row = { id, name: stored, owner_id: ownerId, parent_id: parentId ?? null, created };
        try {
          await transaction`INSERT INTO service_accounts ${transaction(row)}`;
        } catch (error) {
          if (isUniqueViolation(error)) throw new AuthError("name_taken", `The name "${stored}" is taken`);
          throw error;
        }
        changed(`service:${id}`);
      }),
    );
    return this.get(stored);
  }

  /** Throws `not_found`. */
  async setDisabled(name: string, disabled: boolean): Promise<void> {
    await answered(
      this.feed.write(async (transaction, changed) => {
        const { id } = await lockServiceAccount(transaction, name);
        await transaction`UPDATE service_accounts SET disabled = ${disabled} WHERE id = ${id}`;
        changed(`service:${id}`);
      }),
    );
  }

  /** With its keys and tokens. Throws `not_found`. */
  async remove(name: string): Promise<void> {
    await answered(
      this.feed.write(async (transaction, changed) => {
        const { id } = await lockServiceAccount(transaction, name);
        await transaction`DELETE FROM service_accounts WHERE id = ${id}`;
        changed(`service:${id}`);
      }),
    );
  }
}

/** Whose row no other transaction changes meanwhile. Throws `not_found`. */
export async function lockServiceAccount(
  transaction: Transaction,
  name: string,
): Promise<{ id: string; name: string }> {
  const [row] = await transaction<{ id: string; name: string }[]>`
    SELECT id, name FROM service_accounts WHERE name = ${storedName(name) ?? ""} FOR UPDATE`;
  if (!row) throw notFound("service account", name);
  return row;
}

async function checkRoom(transaction: Transaction, ownerId: string | null): Promise<void> {
  const [counts] = await transaction<{ own: number; all: number }[]>`
    SELECT count(*) FILTER (WHERE owner_id = ${ownerId ?? ""})::int AS own, count(*)::int AS all FROM service_accounts`;
  const full = (whose: string, limit: number) =>
    new AuthError("limit_reached", `${whose} ${limit} service accounts: delete some first`);
  if (counts!.own >= SERVICE_ACCOUNTS_PER_OWNER_MAX)
    throw full("The user has", SERVICE_ACCOUNTS_PER_OWNER_MAX);
  if (counts!.all >= SERVICE_ACCOUNTS_MAX) throw full("There are", SERVICE_ACCOUNTS_MAX);
}
