import type { Log } from "../../std/log.ts";
import { AccessCopy, type Credential, type UserAccess } from "./access/access-copy.ts";
import type { AccessIds, AccessRows } from "./access/rows.ts";
import type { AccessKey, Keyring, Principal } from "./identity.ts";
import { SealError, type SealedBox } from "./sealed-box.ts";

export type UserRow = UserAccess;

export interface AccessKeyRow extends Credential {
  accessKeyId: string;
  sealed: Uint8Array;
  disabled: boolean;
}

export interface SessionRow {
  id: string;
  userId: string;
  expires: Date;
}

export interface Rows extends AccessRows {
  users: UserRow[];
  accessKeys: AccessKeyRow[];
  sessions: SessionRow[];
}

interface LocalKey {
  /** Of a key that is as good as its user; undefined where service account, token or scopes make it less. */
  userId: string | undefined;
  sealed: Uint8Array;
  secretAccessKey: string;
}

type Ids = AccessIds & { users: string[]; accessKeys: string[]; sessions: string[] };

interface LocalSession {
  userId: string;
  expiresAt: number;
}

/** The seal context of an access key: a box copied to another key's row does not open there. */
export function accessKeyContext(accessKeyId: string): string {
  return `access-key:${accessKeyId}`;
}

/**
 * What every request needs of the database, in memory: users and what they may do, usable keys with open secrets, live
 * sessions. Their numbers are bounded where they are made (users.ts, access-keys.ts, sessions.ts, access/limits.ts).
 */
export class LocalCopy implements Keyring {
  readonly access: AccessCopy;
  private users = new Map<string, UserRow>();
  private keys = new Map<string, LocalKey>();
  private sessions = new Map<string, LocalSession>();

  constructor(
    private readonly box: SealedBox,
    private readonly log: Log,
  ) {
    this.access = new AccessCopy(log);
  }

  find(accessKeyId: string): AccessKey | undefined {
    const key = this.keys.get(accessKeyId);
    if (key === undefined) return undefined;
    const principal = key.userId === undefined ? this.limited(accessKeyId) : this.principal(key.userId);
    return principal && { accessKeyId, secretAccessKey: key.secretAccessKey, principal };
  }

  private limited(accessKeyId: string): Principal | undefined {
    const credential = this.access.key(accessKeyId);
    const reference = `key:${accessKeyId}` as const;
    if (credential === undefined || this.access.limitsOf(reference) === undefined) return undefined;
    return this.access.principalOf(credential, reference);
  }

  /** The principal of a usable user. */
  principal(userId: string): Principal | undefined {
    return this.access.grantsOf(userId)?.self;
  }

  session(id: string): LocalSession | undefined {
    return this.sessions.get(id);
  }

  /** Takes everything from `rows`; what is not among them is gone. */
  replaceAll(rows: Rows): void {
    const known = this.keys;
    for (const id of this.keys.keys()) this.access.setKey(id, null);
    this.users = new Map();
    this.keys = new Map();
    this.sessions = new Map();
    this.access.replace(rows);
    this.put(rows, known);
  }

  /** Takes the rows of the given ids; an id without a row is gone. */
  replaceSome(ids: Ids, rows: Rows): void {
    for (const id of ids.users) this.users.delete(id);
    for (const id of ids.accessKeys) this.dropKey(id);
    for (const id of ids.sessions) this.sessions.delete(id);
    const { groups, roles, serviceAccounts, tokens } = ids;
    if (groups.length + roles.length + serviceAccounts.length + tokens.length > 0)
      this.access.replace(rows, ids);
    this.put(rows, undefined, ids.users.length > 0);
  }

  private put(rows: Rows, known?: Map<string, LocalKey>, usersChanged = true): void {
    for (const row of rows.users) this.users.set(row.id, row);
    if (usersChanged) this.access.setUsers(this.users);
    for (const row of rows.accessKeys) this.putKey(row, known?.get(row.accessKeyId));
    for (const row of rows.sessions) this.putSession(row);
  }

  private dropKey(id: string): void {
    this.keys.delete(id);
    this.access.setKey(id, null);
  }

  private putKey(row: AccessKeyRow, known?: LocalKey): void {
    // Whose it is decides who may switch it on again.
    this.access.setKey(row.accessKeyId, row);
    if (row.disabled) return;
    const secretAccessKey =
      known && sameBytes(known.sealed, row.sealed) ? known.secretAccessKey : this.open(row);
    if (secretAccessKey === undefined) return;
    const plain = row.serviceAccountId === null && row.parentId === null && row.scopes === null;
    const userId = plain ? row.userId! : undefined;
    this.keys.set(row.accessKeyId, { userId, sealed: row.sealed, secretAccessKey });
  }

  /** One altered row must not take the others down: that key alone is unusable. */
  private open({ accessKeyId, sealed }: AccessKeyRow): string | undefined {
    try {
      return this.box.open(sealed, accessKeyContext(accessKeyId)).toString();
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      this.log.error("an access key's sealed secret does not open; the key is unusable", { accessKeyId });
      return undefined;
    }
  }

  private putSession({ id, userId, expires }: SessionRow): void {
    this.sessions.set(id, { userId, expiresAt: expires.getTime() });
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
