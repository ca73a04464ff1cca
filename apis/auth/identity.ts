/** Who a request comes from, once that is proved. */
export interface Principal {
  userId: string;
  name: string;
  /** Has the role admin, for whoever shows it; what somebody may do is for access/access.ts alone to say. */
  admin: boolean;
  /** The API token, or the access key with limits of its own, that speaks: it may do less than its user. */
  limitedBy?: `token:${string}` | `key:${string}`;
}

/** An S3 access key as the signature check needs it. The secret never leaves the process. */
export interface AccessKey {
  accessKeyId: string;
  secretAccessKey: string;
  principal: Principal;
}

/** The local copy of all usable access keys: a look-up costs no call. Disabled and revoked keys are not in it. */
export interface Keyring {
  find(accessKeyId: string): AccessKey | undefined;
}

/** Tells the principal of a bearer token or session cookie, or undefined where it is missing, wrong or over. */
export interface Sessions {
  verify(token: string): Promise<Principal | undefined>;
}
