import type { Clock } from "../../std/clock.ts";
import { type Database, isUniqueViolation } from "../../std/db/database.ts";
import type { Random } from "../../std/random.ts";
import { keepingAnAdministrator, lockUsers } from "./access/administrators.ts";
import { checkPassword, type Passwords } from "./accounts/passwords.ts";
import type { BucketsFate } from "./change-events.ts";
import type { ChangeFeed, Transaction } from "./change-feed.ts";
import { AuthError, notFound } from "./errors.ts";
import { endSessionsOf } from "./sessions/session-store.ts";

/** A user as administrators see one. */
export interface User {
  id: string;
  name: string;
  admin: boolean;
  disabled: boolean;
  /** ms since the epoch. */
  createdAt: number;
}

export interface UserWithAccess extends User {
  roles: string[];
  /** Names. */
  groups: string[];
  boundary: string | null;
}

export interface NewUser {
  name: string;
  password: string;
  admin?: boolean;
}

/** What is to become of the buckets of a user who is removed: another user, by name, gets them, or all goes. */
export type BucketsTo = { newOwner: string } | "delete";

/** All of them are in memory, about 300 bytes each. */
export const USERS_MAX = 10_000;
const USER_ID_BYTES = 10;

type UserColumns = Omit<User, "createdAt"> & { created: Date };

/**
 * The stored form of a name, or undefined for what no user can be called. ASCII is demanded before the case is folded:
 * U+212A (Kelvin) and other look-alikes fold to ASCII letters.
 */
export function storedUserName(name: string): string | undefined {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name) ? name.toLowerCase() : undefined;
}

/** The stored form of a new name; throws `invalid_name`. */
export function normaliseUserName(name: string): string {
  const stored = storedUserName(name);
  if (stored !== undefined) return stored;
  throw new AuthError(
    "invalid_name",
    `A user name has 1 to 64 of the characters a-z 0-9 . _ - and begins with a letter or digit`,
  );
}

/** The users of the database and what may be done to them. Names are taken in any case. */
export class Users {
  constructor(
    private readonly sql: Database,
    private readonly feed: ChangeFeed,
    private readonly passwords: Passwords,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  async list(): Promise<User[]> {
    const rows = await this.sql<UserColumns[]>`
      SELECT ${columns(this.sql)} FROM users ORDER BY name COLLATE "C"`;
    return rows.map(toUser);
  }

  /** Throws `not_found`. */
  async get(name: string): Promise<User> {
    const [row] = await this.sql<UserColumns[]>`
      SELECT ${columns(this.sql)} FROM users WHERE lower(name) = ${storedUserName(name) ?? ""}`;
    if (!row) throw notFound("user", name);
    return toUser(row);
  }

  async has(id: string): Promise<boolean> {
    const rows = await this.sql`SELECT FROM users WHERE id = ${id}`;
    return rows.length > 0;
  }

  /** Throws `not_found`. */
  async withAccess(name: string): Promise<UserWithAccess> {
    const user = await this.get(name);
    const [access] = await this.sql<Omit<UserWithAccess, keyof User>[]>`
      SELECT boundary,
             ARRAY(SELECT role FROM role_attachments WHERE user_id = users.id ORDER BY role COLLATE "C") AS roles,
             ARRAY(SELECT groups.name FROM group_members JOIN groups ON groups.id = group_id
                   WHERE user_id = users.id ORDER BY groups.name COLLATE "C") AS groups
      FROM users WHERE id = ${user.id}`;
    if (!access) throw notFound("user", name);
    return { ...user, ...access };
  }

  /** Throws `invalid_name`, `invalid_password`, `name_taken`, `limit_reached`. */
  async create({ name, password, admin = false }: NewUser): Promise<User> {
    const row = await this.prepare(name, password, admin);
    return this.feed.write(async (transaction, changed) => {
      await lockUsers(transaction);
      changed(`user:${row.id}`, "created");
      return this.insert(transaction, row);
    });
  }

  /** Makes the administrator when there is no user at all. Returns whether it did. */
  async ensureFirst({ name, password }: NewUser): Promise<boolean> {
    const row = await this.prepare(name, password, true);
    return this.feed.write(async (transaction, changed) => {
      await lockUsers(transaction);
      const [present] = await transaction`SELECT 1 FROM users LIMIT 1`;
      if (present) return false;
      changed(`user:${row.id}`, "created");
      await this.insert(transaction, row);
      return true;
    });
  }

  private async prepare(name: string, password: string, admin: boolean) {
    const stored = normaliseUserName(name);
    checkPassword(password, stored);
    const id = `u${this.random.bytes(USER_ID_BYTES).toString("hex")}`;
    return { id, name: stored, password_hash: await this.passwords.hash(password), admin };
  }

  private async insert(
    transaction: Transaction,
    row: { id: string; name: string; password_hash: string; admin: boolean },
  ): Promise<User> {
    const [{ count } = { count: 0 }] = await transaction<
      { count: number }[]
    >`SELECT count(*)::int FROM users`;
    if (count >= USERS_MAX)
      throw new AuthError("limit_reached", `There are ${USERS_MAX} users: remove some first`);
    const created = new Date(this.clock.now());
    const { admin, ...stored } = row;
    try {
      await transaction`INSERT INTO users ${transaction({ ...stored, created })}`;
    } catch (error) {
      if (isUniqueViolation(error)) throw new AuthError("name_taken", `The name "${row.name}" is taken`);
      throw error;
    }
    const role = admin ? "admin" : "member";
    await transaction`INSERT INTO role_attachments (role, user_id) VALUES (${role}, ${row.id})`;
    return { id: row.id, name: row.name, admin, disabled: false, createdAt: created.getTime() };
  }

  /**
   * Changes what is given; a disabled user's sessions end. `admin` attaches or detaches the role admin; who has no other
   * role then is a member. Throws `not_found`, `last_admin`.
   */
  async update(name: string, change: { admin?: boolean; disabled?: boolean }): Promise<User> {
    return this.feed.write((transaction, changed) =>
      keepingAnAdministrator(transaction, async () => {
        const { id, disabled: before } = await lockUser(transaction, name);
        const disabled = change.disabled ?? before;
        if (change.admin !== undefined) await setAdmin(transaction, id, change.admin);
        await transaction`UPDATE users SET disabled = ${disabled} WHERE id = ${id}`;
        changed(`user:${id}`);
        if (disabled) await endSessionsOf(transaction, id, changed);
        return lockUser(transaction, name);
      }),
    );
  }

  /**
   * Removes the user with keys, tokens, service accounts and sessions, and says what is to become of the buckets: the storage
   * does it. Throws `not_found`, also for the new owner, `last_admin`, `invalid_request` for the user as the new owner.
   */
  async remove(name: string, buckets?: BucketsTo): Promise<void> {
    await this.feed.write((transaction, changed) =>
      keepingAnAdministrator(transaction, async () => {
        const user = await lockUser(transaction, name);
        const { id } = user;
        const fate = await fateOf(transaction, buckets, user);
        const keys = await transaction<{ id: string }[]>`
          DELETE FROM access_keys WHERE user_id = ${id} RETURNING access_key_id AS id`;
        for (const key of keys) changed(`key:${key.id}`);
        await endSessionsOf(transaction, id, changed);
        // Tokens and service accounts are worth nothing without their user, in the local copies too.
        const accounts = await transaction<{ id: string }[]>`
          SELECT id FROM service_accounts WHERE owner_id = ${id}`;
        for (const account of accounts) changed(`identity:${account.id}`);
        await transaction`DELETE FROM users WHERE id = ${id}`;
        changed(`user:${id}`, { name: user.name, buckets: fate });
      }),
    );
  }

  /** Sets the password, ends every session of the user and voids a reset under way. Throws `not_found`, `invalid_password`. */
  async setPassword(name: string, password: string): Promise<void> {
    checkPassword(password, name);
    const hash = await this.passwords.hash(password);
    await this.feed.write(async (transaction, changed) => {
      const user = await lockUser(transaction, name);
      await transaction`UPDATE users SET password_hash = ${hash} WHERE id = ${user.id}`;
      await transaction`DELETE FROM password_resets WHERE user_id = ${user.id}`;
      await endSessionsOf(transaction, user.id, changed);
    });
  }

  /**
   * The enabled user with this name and password and the hash that matched, or undefined. Takes as long for a name that
   * is unknown, disabled, or impossible.
   */
  async authenticate(name: string, password: string): Promise<{ user: User; hash: string } | undefined> {
    const [row] = await this.sql<(UserColumns & { hash: string })[]>`
      SELECT ${columns(this.sql)}, password_hash AS hash
      FROM users WHERE lower(name) = ${storedUserName(name) ?? ""}`;
    const matches = await this.passwords.matches(password, row?.hash);
    return row && matches && !row.disabled ? { user: toUser(row), hash: row.hash } : undefined;
  }
}

/** The user of this name, whose row (and with it, keys and sessions) no other transaction changes meanwhile. */
export async function lockUser(transaction: Transaction, name: string): Promise<User> {
  const [row] = await transaction<UserColumns[]>`
    SELECT ${columns(transaction)} FROM users WHERE lower(name) = ${storedUserName(name) ?? ""} FOR UPDATE`;
  if (!row) throw notFound("user", name);
  return toUser(row);
}

/** The new owner is there when the event is written; the storage looks again when it gives the buckets away. */
async function fateOf(
  transaction: Transaction,
  buckets: BucketsTo | undefined,
  { id, name }: User,
): Promise<BucketsFate | null> {
  if (buckets === undefined) return null;
  if (buckets === "delete") return { to: "delete" };
  const owner = await lockUser(transaction, buckets.newOwner);
  if (owner.id !== id) return { to: "owner", owner: owner.id };
  throw new AuthError("invalid_request", `newOwner: "${name}" is the user who is removed`);
}

async function setAdmin(transaction: Transaction, userId: string, admin: boolean): Promise<void> {
  if (admin) {
    await transaction`INSERT INTO role_attachments (role, user_id) VALUES ('admin', ${userId}) ON CONFLICT DO NOTHING`;
    return;
  }
  await transaction`DELETE FROM role_attachments WHERE role = 'admin' AND user_id = ${userId}`;
  await transaction`
    INSERT INTO role_attachments (role, user_id)
    SELECT 'member', ${userId} WHERE NOT EXISTS (SELECT FROM role_attachments WHERE user_id = ${userId})`;
}

function columns(sql: Database | Transaction) {
  return sql`id, name, id IN (SELECT user_id FROM administrators) AS admin, disabled, created`;
}

function toUser({ id, name, admin, disabled, created }: UserColumns): User {
  return { id, name, admin, disabled, createdAt: created.getTime() };
}
