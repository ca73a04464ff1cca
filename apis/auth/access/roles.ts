// Roles: policy documents with a name. Three are built in and cannot be changed; the others are the cloud's own.
import type { Clock } from "../../../std/clock.ts";
import type { Database } from "../../../std/db/database.ts";
import { PolicyError } from "../../../std/policy/errors.ts";
import { parsePolicy } from "../../../std/policy/policy.ts";
import { BUILT_IN_ROLES, type BuiltInRole } from "../../policy/roles.ts";
import { answered } from "../answered.ts";
import type { ChangeFeed, Transaction } from "../change-feed.ts";
import { AuthError, notFound } from "../errors.ts";
import { ROLES_MAX } from "./limits.ts";
import { newName, storedName } from "./names.ts";

export interface Role {
  name: string;
  builtIn: boolean;
  /** The policy, as its JSON. */
  document: unknown;
}

export function isBuiltIn(name: string): name is BuiltInRole {
  return Object.hasOwn(BUILT_IN_ROLES, name);
}

/** Every method may also throw `unavailable`. */
export class Roles {
  constructor(
    private readonly sql: Database,
    private readonly feed: ChangeFeed,
    private readonly clock: Clock,
  ) {}

  /** The built-in ones first. */
  async list(): Promise<Role[]> {
    const rows = await answered(
      this.sql<{ name: string; document: string }[]>`
        SELECT name, document FROM roles ORDER BY name COLLATE "C"`,
    );
    const builtIn = Object.entries(BUILT_IN_ROLES).map(([name, document]) => ({
      name,
      builtIn: true,
      document,
    }));
    return [
      ...builtIn,
      ...rows.map(({ name, document }) => ({ name, builtIn: false, document: JSON.parse(document) })),
    ];
  }

  /** Throws `not_found`. */
  async get(name: string): Promise<Role> {
    const role = (await this.list()).find((each) => each.name === storedName(name));
    if (!role) throw notFound("role", name);
    return role;
  }

  /**
   * Makes a role of a policy's JSON, or of the text of it, in which members that are there twice are found too. Throws
   * `invalid_name`, `invalid_policy`, `name_taken`, `limit_reached`.
   */
  async create(name: string, document: unknown): Promise<Role> {
    const stored = newName("role", name);
    const text = checkedPolicy(document, stored);
    const now = new Date(this.clock.now());
    await answered(
      this.feed.write(async (transaction, changed) => {
        await transaction`SELECT pg_advisory_xact_lock(hashtext('skerry auth roles'))`;
        const [{ count } = { count: 0 }] = await transaction<
          { count: number }[]
        >`SELECT count(*)::int FROM roles`;
        if (count >= ROLES_MAX) {
          throw new AuthError("limit_reached", `There are ${ROLES_MAX} roles: delete some first`);
        }
        const row = { name: stored, document: text, created: now, changed: now };
        const inserted = await transaction`INSERT INTO roles ${transaction(row)} ON CONFLICT DO NOTHING`;
        if (isBuiltIn(stored) || inserted.count === 0) {
          throw new AuthError("name_taken", `The name "${stored}" is taken`);
        }
        changed(`role:${stored}`);
      }),
    );
    return { name: stored, builtIn: false, document: JSON.parse(text) };
  }

  /** Throws `not_found`, `invalid_policy`, `built_in_role`. */
  async update(name: string, document: unknown): Promise<Role> {
    const stored = storedName(name) ?? "";
    refuseBuiltIn(stored);
    const text = checkedPolicy(document, stored);
    await answered(
      this.feed.write(async (transaction, changed) => {
        const { count } = await transaction`
          UPDATE roles SET document = ${text}, changed = ${new Date(this.clock.now())} WHERE name = ${stored}`;
        if (count === 0) throw notFound("role", name);
        changed(`role:${stored}`);
      }),
    );
    return { name: stored, builtIn: false, document: JSON.parse(text) };
  }

  /** Throws `not_found`, `built_in_role`, `role_in_use`. */
  async remove(name: string): Promise<void> {
    const stored = storedName(name) ?? "";
    refuseBuiltIn(stored);
    await answered(
      this.feed.write(async (transaction, changed) => {
        const [row] = await transaction`SELECT FROM roles WHERE name = ${stored} FOR UPDATE`;
        if (!row) throw notFound("role", name);
        const [used] = await transaction`
          SELECT FROM role_attachments WHERE role = ${stored}
          UNION ALL SELECT FROM users WHERE boundary = ${stored}
          UNION ALL SELECT FROM service_accounts WHERE boundary = ${stored} LIMIT 1`;
        if (used) {
          throw new AuthError("role_in_use", `Somebody has the role "${stored}": detach it everywhere first`);
        }
        await transaction`DELETE FROM roles WHERE name = ${stored}`;
        changed(`role:${stored}`);
      }),
    );
  }
}

/** The stored form of the name of a role that is there, and stays until `transaction` ends. Throws `not_found`. */
export async function holdRole(transaction: Transaction, name: string): Promise<string> {
  const stored = storedName(name) ?? "";
  if (isBuiltIn(stored)) return stored;
  const [row] = await transaction`SELECT FROM roles WHERE name = ${stored} FOR SHARE`;
  if (!row) throw notFound("role", name);
  return stored;
}

function refuseBuiltIn(name: string): void {
  if (!isBuiltIn(name)) return;
  throw new AuthError("built_in_role", `The role "${name}" is built in and cannot be changed`);
}

/** The text to store. */
function checkedPolicy(document: unknown, name: string): string {
  try {
    parsePolicy(document, "identity", `role/${name}`);
  } catch (error) {
    if (error instanceof PolicyError) throw new AuthError("invalid_policy", error.message, { cause: error });
    throw error;
  }
  return typeof document === "string" ? document : JSON.stringify(document);
}
