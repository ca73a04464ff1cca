// One request on its way through an operation: who asks, for what, and how its headers and parameters are read.
import type { Clock } from "../../../std/clock.ts";
import { authorize, type Permissions, type StorageAction, type StorageResource } from "../authorize.ts";
import type { ObjectStore } from "../objects.ts";
import type { Authenticated } from "./auth/authenticate.ts";
import type { Query } from "./auth/target.ts";
import { S3Error } from "./errors.ts";
import type { S3Request } from "./http.ts";

export interface Services {
  store: ObjectStore;
  access: Permissions;
  region: string;
  clock: Clock;
}

/** What becomes of an object that a request's body names. */
export interface NamedObject {
  key: string;
  /** Why it stayed as it was. */
  error?: unknown;
}

/** What policies may look at of the connection. */
export function connectionValues({ remoteAddress, overTls = false }: S3Request): StorageResource["values"] {
  return { "aws:SourceIp": remoteAddress, "aws:SecureTransport": overTls };
}

const NO_OBJECTS: readonly NamedObject[] = [];

export class Call {
  /** For the audit log: none where the request's path names its object. */
  objects: readonly NamedObject[] = NO_OBJECTS;
  readonly query: Query;
  /** Empty for operations on no bucket. */
  readonly bucket: string;
  /** Empty for operations on no object. */
  readonly key: string;

  constructor(
    readonly request: S3Request,
    readonly caller: Authenticated,
    readonly services: Services,
    /** User id of the bucket's owner; empty for operations on no bucket. */
    readonly bucketOwner: string,
  ) {
    this.query = caller.target.query;
    this.bucket = caller.target.bucket ?? "";
    this.key = caller.target.key ?? "";
  }

  get store(): ObjectStore {
    return this.services.store;
  }

  /** Whether the caller may do something besides what the operation itself asks for. */
  may(action: StorageAction, resource: StorageResource): boolean {
    const values = connectionValues(this.request);
    return authorize(this.services.access, this.caller.principal, action, { ...resource, values });
  }

  /** A header, or what a presigner moved from there into the query. */
  header(name: string): string | undefined {
    return this.caller.headers.get(name);
  }

  /** All headers that begin with `prefix`, as header text. */
  *headersWithPrefix(prefix: string): Iterable<readonly [string, string]> {
    for (const [name, value] of this.caller.headers) {
      if (!name.startsWith(prefix)) continue;
      // A query parameter is text, a header is bytes read as Latin-1.
      const hoisted = this.caller.hoistedHeaders.has(name);
      yield [name, hoisted ? Buffer.from(value).toString("latin1") : value];
    }
  }

  /** The whole number in query parameter `name`, in [min, max]; larger ones are taken as `max`. */
  count(name: string, min: number, max: number, fallback: number): number {
    const text = this.query.get(name);
    if (text === undefined || text === "") return fallback;
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min)) {
      throw new S3Error("InvalidArgument", `${name} must be a whole number from ${min} on.`, {
        fields: { ArgumentName: name, ArgumentValue: text },
      });
    }
    return Math.min(value, max);
  }
}
