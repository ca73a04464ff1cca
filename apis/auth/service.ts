import type { Clock, Timer } from "../../std/clock.ts";
import type { Database } from "../../std/db/database.ts";
import { migrate } from "../../std/db/migrate.ts";
import type { Log } from "../../std/log.ts";
import type { Random } from "../../std/random.ts";
import { Access } from "./access/access.ts";
import { Attachments } from "./access/attachments.ts";
import { Callers } from "./access/callers.ts";
import { Groups } from "./access/groups.ts";
import { Places } from "./access/places.ts";
import { Roles } from "./access/roles.ts";
import { type AccessKeySummary, AccessKeys, type KeyLimits, type NewAccessKey } from "./access-keys.ts";
import { AccountSettingsStore } from "./accounts/account-settings.ts";
import { PasswordResets } from "./accounts/password-resets.ts";
import { Passwords } from "./accounts/passwords.ts";
import { SignUp } from "./accounts/sign-up.ts";
import { answered } from "./answered.ts";
import { ChangeFeed } from "./change-feed.ts";
import { notFound } from "./errors.ts";
import type { AccessKey, Keyring, Principal, Sessions } from "./identity.ts";
import { LocalCopy } from "./local-copy.ts";
import { MIGRATIONS } from "./migrations.ts";
import { Identities } from "./openid/identities.ts";
import { OpenidSignIn } from "./openid/openid-sign-in.ts";
import { Providers } from "./openid/providers.ts";
import { RelyingParty } from "./openid/relying-party.ts";
import { PasskeyCeremonies } from "./passkeys/ceremonies.ts";
import { PasskeyStore } from "./passkeys/passkey-store.ts";
import { SealedStates } from "./sealed-state.ts";
import { openSecrets, withKeysLocked } from "./secrets.ts";
import { ServiceAccounts } from "./service-accounts/service-accounts.ts";
import { AccessTokens } from "./sessions/access-tokens.ts";
import type { Client } from "./sessions/client.ts";
import { SessionStore } from "./sessions/session-store.ts";
import { type LiveSession, LiveSessions, type SignedIn } from "./sessions/sessions.ts";
import { PasskeySignIn, type SecondFactor } from "./sign-in/passkey-sign-in.ts";
import { PasswordSignIn } from "./sign-in/password-sign-in.ts";
import { SignInLimits } from "./sign-in/sign-in-limits.ts";
import type { PublicJwk, SigningKeys } from "./signing-keys/signing-keys.ts";
import { Tickets } from "./tickets/tickets.ts";
import { ApiTokens, isApiToken, type Owner } from "./tokens/tokens.ts";
import { type BucketsTo, type NewUser, type User, Users, type UserWithAccess } from "./users.ts";

export interface AuthOptions {
  /** The database `auth`, see openDatabase. It stays the caller's: close the service first. */
  sql: Database;
  /** The file of the key-encryption key, e.g. DIR/auth/kek; made on the first start. */
  kekPath: string;
  /** The `iss` of tokens, e.g. https://skerry.localhost; tokens of another are refused. Its host is the passkeys' domain. */
  issuer: string;
  clock: Clock;
  random: Random;
  log: Log;
}

/** The steps of the signing keys are ten minutes apart; rows that are over are looked at no more. */
const MAINTENANCE_MS = 60_000;

/**
 * Opens the auth service on its database: migrates it, makes the key-encryption and signing keys on the first start, and loads
 * the local copy. Throws {@link AuthError} (`kek_*`) or MigrationError with what to do.
 */
export async function createAuth(options: AuthOptions): Promise<AuthService> {
  const { sql, clock, random, log } = options;
  await migrate(sql, MIGRATIONS, log);
  const { box, stateBox, refreshTokens, signingKeys } = await openSecrets(options);
  const copy = new LocalCopy(box, log);
  const feed = new ChangeFeed(sql, copy, clock, random, log);
  const [passwords] = await Promise.all([Passwords.create(), feed.start()]);
  const users = new Users(sql, feed, passwords, clock, random);
  const limits = new SignInLimits(clock);
  const store = new SessionStore(sql, feed, refreshTokens, clock, random);
  const tokens = new AccessTokens(signingKeys, options.issuer, clock);
  const sessions = new LiveSessions(store, tokens, copy, feed, clock, log);
  const settings = new AccountSettingsStore(sql);
  const states = new SealedStates(stateBox, clock);
  const domain = new URL(options.issuer).hostname;
  const passkeys = new PasskeyStore(sql, clock);
  const ceremonies = new PasskeyCeremonies(passkeys, states, domain, clock, random);
  const passkeySignIn = new PasskeySignIn(passkeys, ceremonies, sessions, limits);
  const providers = new Providers(sql, box, domain, clock);
  const identities = new Identities(sql, clock, random);
  const party = new RelyingParty(clock, random);
  const parts: Parts = {
    sql,
    copy,
    feed,
    users,
    keys: new AccessKeys(sql, feed, copy, box, clock, random),
    roles: new Roles(sql, feed, clock),
    groups: new Groups(sql, feed, clock, random),
    apiTokens: new ApiTokens(sql, feed, copy, clock, random),
    serviceAccounts: new ServiceAccounts(sql, feed, clock, random),
    store,
    sessions,
    signingKeys,
    limits,
    passwordSignIn: new PasswordSignIn(users, sessions, passkeySignIn, limits),
    passkeys,
    ceremonies,
    passkeySignIn,
    providers,
    identities,
    openidSignIn: new OpenidSignIn(providers, party, identities, states, sessions, limits, clock, log),
    tickets: new Tickets(sql, sessions, clock, random),
    settings,
    signUp: new SignUp(users, settings, clock),
    passwordResets: new PasswordResets(sql, feed, passwords, clock, random),
  };
  return new AuthService(parts, clock, log);
}

interface Parts {
  sql: Database;
  copy: LocalCopy;
  feed: ChangeFeed;
  users: Users;
  keys: AccessKeys;
  roles: Roles;
  groups: Groups;
  apiTokens: ApiTokens;
  serviceAccounts: ServiceAccounts;
  store: SessionStore;
  sessions: LiveSessions;
  signingKeys: SigningKeys;
  limits: SignInLimits;
  passwordSignIn: PasswordSignIn;
  passkeys: PasskeyStore;
  ceremonies: PasskeyCeremonies;
  passkeySignIn: PasskeySignIn;
  providers: Providers;
  identities: Identities;
  openidSignIn: OpenidSignIn;
  tickets: Tickets;
  settings: AccountSettingsStore;
  signUp: SignUp;
  passwordResets: PasswordResets;
}

/** Users, their S3 access keys and their sessions. Every method may also throw `unavailable` while the database is away. */
export class AuthService implements Keyring, Sessions {
  readonly access: Access;
  readonly places: Places;
  readonly callers: Callers;
  readonly roles: Roles;
  readonly groups: Groups;
  readonly attachments: Attachments;
  readonly apiTokens: ApiTokens;
  readonly serviceAccounts: ServiceAccounts;
  readonly sessions: LiveSessions;
  readonly limits: SignInLimits;
  readonly tickets: Tickets;
  readonly settings: AccountSettingsStore;
  readonly signUp: SignUp;
  readonly passwordResets: PasswordResets;
  readonly passkeys: PasskeyStore;
  readonly ceremonies: PasskeyCeremonies;
  readonly passkeySignIn: PasskeySignIn;
  readonly providers: Providers;
  readonly identities: Identities;
  readonly openidSignIn: OpenidSignIn;
  private maintenanceTimer: Timer | undefined;

  constructor(
    private readonly parts: Parts,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.access = new Access(parts.copy.access, parts.feed, clock);
    this.places = new Places(parts.copy);
    this.callers = new Callers(parts.copy, this.access, this.places);
    this.roles = parts.roles;
    this.groups = parts.groups;
    this.attachments = new Attachments(parts.feed);
    this.apiTokens = parts.apiTokens;
    this.serviceAccounts = parts.serviceAccounts;
    this.sessions = parts.sessions;
    this.limits = parts.limits;
    this.tickets = parts.tickets;
    this.settings = parts.settings;
    this.signUp = parts.signUp;
    this.passwordResets = parts.passwordResets;
    this.passkeys = parts.passkeys;
    this.ceremonies = parts.ceremonies;
    this.passkeySignIn = parts.passkeySignIn;
    this.providers = parts.providers;
    this.identities = parts.identities;
    this.openidSignIn = parts.openidSignIn;
    this.scheduleMaintenance();
  }

  /** Stops following the database. */
  async close(): Promise<void> {
    this.maintenanceTimer?.cancel();
    await this.parts.feed.close();
  }

  find(accessKeyId: string): AccessKey | undefined {
    return this.parts.copy.find(accessKeyId);
  }

  /** Takes API tokens, and the access tokens of sessions. */
  async verify(token: string): Promise<Principal | undefined> {
    if (isApiToken(token)) return this.apiTokens.verify(token);
    return (await this.session(token))?.principal;
  }

  /** The live session of an access token, or undefined where it is missing, wrong or over. */
  session(token: string): Promise<LiveSession | undefined> {
    return this.sessions.ofToken(token);
  }

  /** Signs in by password; see {@link PasswordSignIn.signIn}. */
  signIn(name: string, password: string, client: Client): Promise<SignedIn | SecondFactor> {
    return this.parts.passwordSignIn.signIn(name, password, client);
  }

  /** Ends a session at once, here and in every other process. */
  signOut(session: LiveSession): Promise<void> {
    return this.sessions.signOut(session.id);
  }

  /** Makes the administrator where there is no user yet. Tells whether it did. */
  async ensureAdmin(admin: { name: string; password: string }): Promise<{ created: boolean }> {
    return { created: await answered(this.parts.users.ensureFirst(admin)) };
  }

  /** Throws `invalid_name`, `invalid_password`, `name_taken`, `limit_reached`. */
  createUser(user: NewUser): Promise<User> {
    return answered(this.parts.users.create(user));
  }

  /** The user of this name; throws `not_found`. */
  user(name: string): Promise<User> {
    return answered(this.parts.users.get(name));
  }

  /** The user of this name with roles, groups and boundary; throws `not_found`. */
  userWithAccess(name: string): Promise<UserWithAccess> {
    return answered(this.parts.users.withAccess(name));
  }

  listUsers(): Promise<User[]> {
    return answered(this.parts.users.list());
  }

  /** Throws `not_found`, `last_admin`. */
  updateUser(name: string, change: { admin?: boolean; disabled?: boolean }): Promise<User> {
    return answered(this.parts.users.update(name, change));
  }

  /** Removes a user with all keys and sessions; the storage hears what is to become of the buckets. See {@link Users.remove}. */
  removeUser(name: string, buckets?: BucketsTo): Promise<void> {
    return answered(this.parts.users.remove(name, buckets));
  }

  /** Whether there is a user of this id. */
  hasUser(id: string): Promise<boolean> {
    return answered(this.parts.users.has(id));
  }

  /** Sets a password and ends the user's sessions. Throws `not_found`, `invalid_password`. */
  setPassword(name: string, password: string): Promise<void> {
    return answered(this.parts.users.setPassword(name, password));
  }

  /** As {@link setPassword}, for one who proves the current password. Throws as {@link signIn} does, too. */
  async changePassword(name: string, current: string, password: string, source: string): Promise<void> {
    await this.parts.passwordSignIn.prove(name, current, source);
    await this.setPassword(name, password);
  }

  /** The usable user of this name, without any limit of a credential; throws `not_found`. */
  principalNamed(name: string): Principal {
    const principal = this.parts.copy.principal(this.places.userId(name) ?? "");
    if (!principal) throw notFound("user", name);
    return principal;
  }

  /** Makes an access key, of a user where the owner is only a name; the secret is told only here. See {@link AccessKeys.create}. */
  createKey(owner: Owner | string, limits?: KeyLimits): Promise<NewAccessKey> {
    return answered(this.parts.keys.create(ownerOf(owner), limits));
  }

  /** Takes over a pair made elsewhere. See {@link AccessKeys.import}. */
  importKey(
    owner: Owner | string,
    accessKeyId: string,
    secretAccessKey: string,
    limits?: KeyLimits,
  ): Promise<AccessKeySummary> {
    return answered(this.parts.keys.import(ownerOf(owner), accessKeyId, secretAccessKey, limits));
  }

  /** The keys of one owner, or of all. */
  listKeys(owner?: Owner): Promise<AccessKeySummary[]> {
    return answered(this.parts.keys.list(owner));
  }

  /** Switches a key off or on. Throws `not_found`. */
  setKeyDisabled(accessKeyId: string, disabled: boolean): Promise<void> {
    return answered(this.parts.keys.setDisabled(accessKeyId, disabled));
  }

  /** Removes a key for good. Throws `not_found`. */
  revokeKey(accessKeyId: string): Promise<void> {
    return answered(this.parts.keys.revoke(accessKeyId));
  }

  /** The public keys that check our tokens (RFC 7517). */
  jwks(): { keys: PublicJwk[] } {
    return this.parts.signingKeys.jwks();
  }

  /** Rotates the signing keys when that is due, and removes what is over. Runs by itself every {@link MAINTENANCE_MS}. */
  async maintain(): Promise<void> {
    const { sql, signingKeys, store, tickets, passwordResets, passkeys } = this.parts;
    await withKeysLocked(sql, (transaction) => signingKeys.rotate(transaction));
    await this.apiTokens.maintain();
    await store.sweep();
    await tickets.sweep();
    await passwordResets.sweep();
    await passkeys.sweep();
  }

  private scheduleMaintenance(): void {
    this.maintenanceTimer = this.clock.after(MAINTENANCE_MS, () => {
      this.scheduleMaintenance();
      this.maintain().catch((error: Error) => {
        this.log.warn("cannot maintain the auth database; trying again later", { error: error.message });
      });
    });
  }
}

function ownerOf(owner: Owner | string): Owner {
  return typeof owner === "string" ? { user: owner } : owner;
}
