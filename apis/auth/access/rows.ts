// What the local copy holds of access, row by row, as the database has it.
import type { TransactionSql } from "postgres";
import type { Database } from "../../../std/db/database.ts";

export interface GroupRow {
  id: string;
  name: string;
  roles: string[];
  /** User ids. */
  members: string[];
}

export interface RoleRow {
  name: string;
  /** JSON text. */
  document: string;
}

export interface ServiceAccountRow {
  id: string;
  name: string;
  /** User id; null: the cloud's. */
  ownerId: string | null;
  /** The token that made it, and ends it. */
  parentId: string | null;
  disabled: boolean;
  boundary: string | null;
  roles: string[];
}

export interface TokenRow {
  id: string;
  /** SHA-256 of the token, hexadecimal. */
  hash: string;
  userId: string | null;
  serviceAccountId: string | null;
  parentId: string | null;
  /** JSON text, see scopes in apis/policy. */
  scopes: string;
  expires: Date;
}

export interface AccessIds {
  groups: string[];
  roles: string[];
  serviceAccounts: string[];
  tokens: string[];
}

export interface AccessRows {
  groups: GroupRow[];
  roles: RoleRow[];
  serviceAccounts: ServiceAccountRow[];
  tokens: TokenRow[];
}

/** The rows of `ids`, or all. */
export async function readAccess(sql: Database | TransactionSql, ids?: AccessIds): Promise<AccessRows> {
  const { groups = null, roles = null, serviceAccounts = null, tokens = null } = ids ?? {};
  const wanted = (list: string[] | null) => list === null || list.length > 0;
  return {
    groups: wanted(groups)
      ? [
          ...(await sql<GroupRow[]>`
            SELECT id, name,
                   ARRAY(SELECT role FROM role_attachments WHERE group_id = groups.id) AS roles,
                   ARRAY(SELECT user_id FROM group_members WHERE group_id = groups.id) AS members
            FROM groups WHERE ${groups}::text[] IS NULL OR id = ANY(${groups}::text[])`),
        ]
      : [],
    roles: wanted(roles)
      ? [
          ...(await sql<RoleRow[]>`
            SELECT name, document FROM roles WHERE ${roles}::text[] IS NULL OR name = ANY(${roles}::text[])`),
        ]
      : [],
    serviceAccounts: wanted(serviceAccounts)
      ? [
          ...(await sql<ServiceAccountRow[]>`
            SELECT id, name, owner_id AS "ownerId", parent_id AS "parentId", disabled, boundary,
                   ARRAY(SELECT role FROM role_attachments WHERE service_account_id = service_accounts.id) AS roles
            FROM service_accounts
            WHERE ${serviceAccounts}::text[] IS NULL OR id = ANY(${serviceAccounts}::text[])`),
        ]
      : [],
    tokens: wanted(tokens)
      ? [
          ...(await sql<TokenRow[]>`
            SELECT id, encode(hash, 'hex') AS hash, user_id AS "userId", service_account_id AS "serviceAccountId",
                   parent_id AS "parentId", scopes, expires
            FROM api_tokens WHERE ${tokens}::text[] IS NULL OR id = ANY(${tokens}::text[])`),
        ]
      : [],
  };
}
