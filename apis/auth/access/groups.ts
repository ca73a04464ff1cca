import type { Clock } from "../../../std/clock.ts";
import { type Database, isUniqueViolation } from "../../../std/db/database.ts";
import type { Random } from "../../../std/random.ts";
import { answered } from "../answered.ts";
import type { ChangeFeed, Transaction } from "../change-feed.ts";
import { AuthError, notFound } from "../errors.ts";
import { lockUser } from "../users.ts";
import { keepingAnAdministrator, lockUsers } from "./administrators.ts";
import { GROUP_MEMBERS_MAX, GROUPS_MAX, GROUPS_PER_USER_MAX } from "./limits.ts";
import { newName, storedName } from "./names.ts";

export interface Group {
  id: string;
  name: string;
  roles: string[];
  /** Names of users. */
  members: string[];
  /** ms since the epoch. */
  createdAt: number;
}

const ID_BYTES = 10;

/** Users who get roles together. Names are taken in any case; every method may also throw `unavailable`. */
export class Groups {
  constructor(
    private readonly sql: Database,
    private readonly feed: ChangeFeed,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** All groups, or the one of this name. */
  async list(name?: string): Promise<Group[]> {
    const rows = await answered(
      this.sql<(Omit<Group, "createdAt"> & { created: Date })[]>`
        SELECT id, name, created,
               ARRAY(SELECT role FROM role_attachments WHERE group_id = groups.id ORDER BY role COLLATE "C") AS roles,
               ARRAY(SELECT users.name FROM group_members JOIN users ON users.id = user_id
                     WHERE group_id = groups.id ORDER BY users.name COLLATE "C") AS members
        FROM groups WHERE ${name ?? null}::text IS NULL OR name = ${storedName(name ?? "") ?? ""}
        ORDER BY name COLLATE "C"`,
    );
    return rows.map(({ created, ...group }) => ({ ...group, createdAt: created.getTime() }));
  }

  /** Throws `not_found`. */
  async get(name: string): Promise<Group> {
    const [group] = await this.list(name);
    if (!group) throw notFound("group", name);
    return group;
  }

  /** Throws `invalid_name`, `name_taken`, `limit_reached`. */
  async create(name: string): Promise<Group> {
    const stored = newName("group", name);
    const id = `g${this.random.bytes(ID_BYTES).toString("hex")}`;
    const created = new Date(this.clock.now());
    await this.write(async (transaction, changed) => {
      await lockUsers(transaction);
      const [{ count } = { count: 0 }] = await transaction<{ count: number }[]>`
        SELECT count(*)::int FROM groups`;
      if (count >= GROUPS_MAX) throw full(`There are ${GROUPS_MAX} groups`);
      await named(stored, transaction`INSERT INTO groups ${transaction({ id, name: stored, created })}`);
      changed(`group:${id}`);
    });
    return { id, name: stored, roles: [], members: [], createdAt: created.getTime() };
  }

  /** Throws `not_found`, `invalid_name`, `name_taken`. */
  rename(name: string, to: string): Promise<void> {
    const stored = newName("group", to);
    return this.write(async (transaction, changed) => {
      const id = await lockGroup(transaction, name);
      await named(stored, transaction`UPDATE groups SET name = ${stored} WHERE id = ${id}`);
      changed(`group:${id}`);
    });
  }

  /** Its members keep what they have elsewhere. Throws `not_found`, `last_admin`. */
  remove(name: string): Promise<void> {
    return this.write((transaction, changed) =>
      keepingAnAdministrator(transaction, async () => {
        const id = await lockGroup(transaction, name);
        const members = await transaction<{ user: string }[]>`
          DELETE FROM group_members WHERE group_id = ${id} RETURNING user_id AS user`;
        await transaction`DELETE FROM groups WHERE id = ${id}`;
        changed(`group:${id}`);
        for (const { user } of members) changed(`identity:${user}`);
      }),
    );
  }

  /** Throws `not_found`, `limit_reached`. */
  addMember(name: string, userName: string): Promise<void> {
    return this.write(async (transaction, changed) => {
      const user = await lockUser(transaction, userName);
      const id = await lockGroup(transaction, name);
      const [counts] = await transaction<{ members: number; groups: number }[]>`
        SELECT count(*) FILTER (WHERE group_id = ${id} AND user_id <> ${user.id})::int AS members,
               count(*) FILTER (WHERE group_id <> ${id} AND user_id = ${user.id})::int AS groups
        FROM group_members WHERE group_id = ${id} OR user_id = ${user.id}`;
      if (counts!.members >= GROUP_MEMBERS_MAX) throw full(`The group has ${GROUP_MEMBERS_MAX} members`);
      if (counts!.groups >= GROUPS_PER_USER_MAX) throw full(`The user is in ${GROUPS_PER_USER_MAX} groups`);
      await transaction`
        INSERT INTO group_members (group_id, user_id) VALUES (${id}, ${user.id}) ON CONFLICT DO NOTHING`;
      changed(`group:${id}`);
    });
  }

  /** Throws `not_found`, for a user who is no member too, `last_admin`. */
  removeMember(name: string, userName: string): Promise<void> {
    return this.write((transaction, changed) =>
      keepingAnAdministrator(transaction, async () => {
        const user = await lockUser(transaction, userName);
        const id = await lockGroup(transaction, name);
        const { count } = await transaction`
          DELETE FROM group_members WHERE group_id = ${id} AND user_id = ${user.id}`;
        if (count === 0) throw notFound("member", userName);
        changed(`group:${id}`);
        changed(`identity:${user.id}`);
      }),
    );
  }

  private write(work: Parameters<ChangeFeed["write"]>[0]): Promise<void> {
    return answered(this.feed.write(work)) as Promise<void>;
  }
}

/** The id of the group of this name, whose row no other transaction changes meanwhile. Throws `not_found`. */
export async function lockGroup(transaction: Transaction, name: string): Promise<string> {
  const [row] = await transaction<{ id: string }[]>`
    SELECT id FROM groups WHERE name = ${storedName(name) ?? ""} FOR UPDATE`;
  if (!row) throw notFound("group", name);
  return row.id;
}

async function named(name: string, statement: Promise<unknown>): Promise<void> {
  try {
    await statement;
  } catch (error) {
    if (isUniqueViolation(error)) throw new AuthError("name_taken", `The name "${name}" is taken`);
    throw error;
  }
}

function full(what: string): AuthError {
  return new AuthError("limit_reached", `${what}: remove some first`);
}
