import { assert } from "../../std/assert.ts";
import type { Clock } from "../../std/clock.ts";
import type { Database } from "../../std/db/database.ts";
import type { Random } from "../../std/random.ts";
import { storedName } from "./access/names.ts";
import type { ChangeFeed, Transaction } from "./change-feed.ts";
import { AuthError, notFound } from "./errors.ts";
import { accessKeyContext, type LocalCopy } from "./local-copy.ts";
import type { SealedBox } from "./sealed-box.ts";
import { storedScopes } from "./tokens/token-scopes.ts";
import { lockOwner, type Owner, type OwnerColumns } from "./tokens/tokens.ts";
import { storedUserName } from "./users.ts";

/** An access key without its secret, which is told once, when it is made. */
export interface AccessKeySummary {
  accessKeyId: string;
  /** The owner's name. */
  user: string;
  /** Only there where the owner is a service account. */
  serviceAccount?: true;
  /** What it is limited to, users by their ids; absent where it is as good as its owner. */
  scopes?: Record<string, string[]>;
  disabled: boolean;
  /** ms since the epoch. */
  createdAt: number;
}

export interface NewAccessKey extends AccessKeySummary {
  secretAccessKey: string;
}

export interface KeyLimits {
  /** Scopes as those of an API token. */
  scopes?: unknown;
  /** The API token that makes the key, limits it and will end it. */
  tokenId?: string;
}

/** All keys are in memory, about 500 bytes each. */
export const ACCESS_KEYS_MAX = 50_000;
export const ACCESS_KEYS_PER_USER_MAX = 100;

const UPPER_ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const BASE62 = `${UPPER_ALPHANUMERIC}abcdefghijklmnopqrstuvwxyz`;
/** "/" would end the id in a credential scope, "," and "=" in an Authorization header. */
const ACCESS_KEY_ID = /^[A-Za-z0-9._-]{3,128}$/;
/** The lengths that AWS uses, which some clients check. */
const ID_PREFIX = "SK";
const ID_LENGTH = 20;
const SECRET_LENGTH = 40;

/** `length` characters of `alphabet`, each equally likely. */
export function randomText(random: Random, alphabet: string, length: number): string {
  assert(alphabet.length > 1 && alphabet.length <= 256, "a byte chooses one character");
  // A byte at or over the last multiple of the alphabet's length would favour its first characters: draw again.
  const limit = 256 - (256 % alphabet.length);
  let text = "";
  while (text.length < length) {
    for (const byte of random.bytes(length)) {
      if (byte < limit && text.length < length) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}

/** Throws `invalid_access_key` unless a pair made elsewhere can be used in S3 signatures here. */
export function checkImportedKey(accessKeyId: string, secretAccessKey: string): void {
  if (!ACCESS_KEY_ID.test(accessKeyId)) {
    throw new AuthError("invalid_access_key", `An access key id has 3 to 128 of A-Z a-z 0-9 . _ -`);
  }
  if (!/^[\x21-\x7e]{8,128}$/.test(secretAccessKey)) {
    throw new AuthError(
      "invalid_access_key",
      `A secret key has 8 to 128 printable ASCII characters, no spaces`,
    );
  }
}

type KeyColumns = Omit<AccessKeySummary, "createdAt" | "scopes" | "serviceAccount"> & {
  created: Date;
  scopes: string | null;
  serviceAccount: boolean;
};

/** The S3 access keys of the database and what may be done to them. */
export class AccessKeys {
  constructor(
    private readonly sql: Database,
    private readonly feed: ChangeFeed,
    private readonly copy: LocalCopy,
    private readonly box: SealedBox,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** The keys of one owner, or of all; none for one who is not there. */
  async list(owner?: Owner): Promise<AccessKeySummary[]> {
    const user = owner && "user" in owner ? (storedUserName(owner.user) ?? "") : null;
    const account = owner && "serviceAccount" in owner ? (storedName(owner.serviceAccount) ?? "") : null;
    const rows = await this.sql<KeyColumns[]>`
      SELECT access_key_id AS "accessKeyId", coalesce(users.name, service_accounts.name) AS user,
             service_account_id IS NOT NULL AS "serviceAccount", scopes, access_keys.disabled, access_keys.created
      FROM access_keys LEFT JOIN users ON users.id = user_id
           LEFT JOIN service_accounts ON service_accounts.id = service_account_id
      WHERE ${owner === undefined} OR users.name = ${user} OR service_accounts.name = ${account}
      ORDER BY access_keys.created, access_key_id COLLATE "C"`;
    return rows.map(({ created, scopes, serviceAccount, ...key }) => ({
      ...key,
      ...limitsTold(serviceAccount, scopes),
      createdAt: created.getTime(),
    }));
  }

  /** Makes a key of `owner`. Throws `not_found`, `limit_reached`, `invalid_scopes`. */
  create(owner: Owner, limits: KeyLimits = {}): Promise<NewAccessKey> {
    const suffix = randomText(this.random, UPPER_ALPHANUMERIC, ID_LENGTH - ID_PREFIX.length);
    return this.insert(owner, ID_PREFIX + suffix, randomText(this.random, BASE62, SECRET_LENGTH), limits);
  }

  /** Takes over a pair made elsewhere. Throws `invalid_access_key`, `key_exists`, and as {@link create} does. */
  async import(
    owner: Owner,
    accessKeyId: string,
    secretAccessKey: string,
    limits: KeyLimits = {},
  ): Promise<AccessKeySummary> {
    checkImportedKey(accessKeyId, secretAccessKey);
    const { secretAccessKey: _, ...summary } = await this.insert(owner, accessKeyId, secretAccessKey, limits);
    return summary;
  }

  private insert(
    owner: Owner,
    accessKeyId: string,
    secretAccessKey: string,
    limits: KeyLimits,
  ): Promise<NewAccessKey> {
    const sealed = this.box.seal(Buffer.from(secretAccessKey), accessKeyContext(accessKeyId));
    const created = new Date(this.clock.now());
    const scopes =
      limits.scopes === undefined
        ? null
        : storedScopes(limits.scopes, (user) => this.copy.access.userId(user));
    return this.feed.write(async (transaction, changed) => {
      const { name, ...whose } = await lockOwner(transaction, owner);
      await checkRoom(transaction, whose);
      const row = { access_key_id: accessKeyId, sealed, created, scopes, token_id: limits.tokenId ?? null };
      const inserted = await transaction`
        INSERT INTO access_keys ${transaction({ ...row, ...whose })} ON CONFLICT DO NOTHING`;
      if (inserted.count === 0) {
        throw new AuthError("key_exists", `The access key "${accessKeyId}" is there already`);
      }
      changed(`key:${accessKeyId}`);
      return {
        accessKeyId,
        secretAccessKey,
        user: name,
        ...limitsTold(whose.service_account_id !== null, scopes),
        disabled: false,
        createdAt: created.getTime(),
      };
    });
  }

  /** Switches a key off or on. */
  async setDisabled(accessKeyId: string, disabled: boolean): Promise<void> {
    if (!ACCESS_KEY_ID.test(accessKeyId)) throw notFound("access key", accessKeyId);
    await this.feed.write(async (transaction, changed) => {
      const { count } = await transaction`
        UPDATE access_keys SET disabled = ${disabled} WHERE access_key_id = ${accessKeyId}`;
      if (count === 0) throw notFound("access key", accessKeyId);
      changed(`key:${accessKeyId}`);
    });
  }

  /** Removes a key for good. */
  async revoke(accessKeyId: string): Promise<void> {
    if (!ACCESS_KEY_ID.test(accessKeyId)) throw notFound("access key", accessKeyId);
    await this.feed.write(async (transaction, changed) => {
      const [gone] = await transaction<{ owner: string }[]>`
        DELETE FROM access_keys WHERE access_key_id = ${accessKeyId}
        RETURNING coalesce(user_id, service_account_id) AS owner`;
      if (!gone) throw notFound("access key", accessKeyId);
      changed(`key:${accessKeyId}`);
      changed(`identity:${gone.owner}`);
    });
  }
}

async function checkRoom(
  transaction: Transaction,
  { user_id, service_account_id }: Pick<OwnerColumns, "user_id" | "service_account_id">,
): Promise<void> {
  const [counts] = await transaction<{ own: number; all: number }[]>`
    SELECT count(*) FILTER (WHERE coalesce(user_id, service_account_id) = ${user_id ?? service_account_id})::int AS own,
           count(*)::int AS all
    FROM access_keys`;
  const full = (whose: string, limit: number) =>
    new AuthError("limit_reached", `${whose} ${limit} access keys: revoke some first`);
  if (counts && counts.own >= ACCESS_KEYS_PER_USER_MAX) throw full("The user has", ACCESS_KEYS_PER_USER_MAX);
  if (counts && counts.all >= ACCESS_KEYS_MAX) throw full("There are", ACCESS_KEYS_MAX);
}

function limitsTold(serviceAccount: boolean, scopes: string | null) {
  return {
    ...(serviceAccount && { serviceAccount }),
    ...(scopes !== null && { scopes: JSON.parse(scopes) as Record<string, string[]> }),
  };
}
