// The S3 API: request in, response out; no sockets. Each request goes through the same steps in the same order:
// authenticate, find the operation, refuse what is not supported, authorize, run, map errors.
import type { Clock } from "../../../std/clock.ts";
import type { Log, LogFields } from "../../../std/log.ts";
import type { Keyring } from "../../auth/identity.ts";
import { authorize, type Permissions } from "../authorize.ts";
import { ObjectStore, type StoreParts } from "../objects.ts";
import { recordS3, type S3Audit, type S3Event } from "../recorded.ts";
import { type Authenticated, authenticate } from "./auth/authenticate.ts";
import type { S3Target } from "./auth/target.ts";
import { Call, connectionValues, type Services } from "./call.ts";
import { errorDocument, S3Error, type S3Failure } from "./errors.ts";
import { failureOf } from "./failure.ts";
import type { S3Handler, S3Request, S3Response } from "./http.ts";
import { checkKey } from "./keys.ts";
import { findOperation, type Operation } from "./operations.ts";
import type { S3Stats } from "./stats.ts";
import { refuseUnsupported } from "./unsupported.ts";

export interface S3Settings {
  keyring: Keyring;
  access: Permissions;
  /** What GetBucketLocation answers and signatures name, e.g. "us-east-1". */
  region: string;
  clock: Clock;
  log: Log;
  stats?: S3Stats;
  /** With it, refusals and changes are recorded. */
  audit?: S3Audit;
}

/** With `store`, shared with the JSON REST, a bucket deleted there is gone here at once. */
export type S3Options = S3Settings & ({ store: ObjectStore } | Omit<StoreParts, "clock">);

/** Sent as `x-amz-id-2`: which kind of host answered. */
const HOST_ID = "skerry";

/** An S3 API over a storage engine. The handler never rejects. */
export function createS3(options: S3Options): S3Handler {
  const { keyring, access, region, clock, log, stats, audit } = options;
  const store = "store" in options ? options.store : new ObjectStore({ ...options, clock });
  const services: Services = { store, access, region, clock };
  return async (request) => {
    let response: S3Response;
    const startedAt = clock.monotonic();
    const seen: Seen = { operation: "unknown" };
    let code: string | undefined;
    try {
      // Before the key is looked up: a revoked one would be found once more. Most requests have nothing to await.
      const stale = access.freshened();
      if (stale !== undefined) await stale;
      seen.caller = authenticate(request, keyring, clock.now(), { region });
      response = await perform(request, seen.caller, services, seen);
    } catch (error) {
      const failure = failureOf(error, log, logFields(request));
      code = failure.code;
      response = errorResponse(request, failure, seen.caller?.target);
    }
    if (audit) {
      const { remoteAddress: source, requestId } = request;
      const answer = { status: response.status, code, source, requestId };
      const slowed = recordS3(audit, eventOf(seen), answer);
      if (slowed !== undefined) await slowed;
    }
    response.headers["x-amz-request-id"] = request.requestId;
    response.headers["x-amz-id-2"] = HOST_ID;
    stats?.answered(seen.operation, request, response, clock.monotonic() - startedAt);
    return response;
  };
}

/** What is known of a request so far. */
interface Seen {
  operation: string;
  action?: Operation["action"];
  caller?: Authenticated;
  call?: Call;
}

const NO_OBJECTS: S3Event["objects"] = [];

function eventOf({ caller, action, operation, call }: Seen): S3Event {
  const { bucket, key } = caller?.target ?? {};
  const principal = caller?.anonymous === false ? caller.principal : undefined;
  const objects = call?.objects ?? NO_OBJECTS;
  return { caller: principal, accessKeyId: caller?.accessKeyId, operation, action, bucket, key, objects };
}

async function perform(
  request: S3Request,
  caller: Authenticated,
  services: Services,
  seen: Seen,
): Promise<S3Response> {
  const { bucket, key, query } = caller.target;
  // Nothing is public yet: strangers learn neither what is built nor what is there.
  if (caller.anonymous) throw new S3Error("AccessDenied");
  const level = bucket === undefined ? "service" : key === undefined ? "bucket" : "key";
  const operation = findOperation(request.method, level, query, caller.headers);
  seen.operation = operation.name;
  seen.action = operation.action;
  refuseUnsupported(caller.headers);
  if (key !== undefined) checkKey(key);
  const owner = await authorizedOwner(request, caller, operation, services);
  seen.call = new Call(request, caller, services, owner);
  return operation.run(seen.call);
}

/** Throws `AccessDenied` unless the caller may do this there; else the owner of the bucket, "" where there is none. */
async function authorizedOwner(
  request: S3Request,
  { target, principal, headers }: Authenticated,
  { action }: Operation,
  { store, access }: Services,
): Promise<string> {
  const { bucket, key, query } = target;
  // What is not there yet will be the caller's, and a list without a bucket is of the caller's own.
  const exists = bucket !== undefined && action !== "s3:CreateBucket";
  const owner = exists ? (await store.bucket(bucket)).owner : principal.userId;
  const expected = headers.get("x-amz-expected-bucket-owner");
  if (exists && expected !== undefined && expected !== owner) throw new S3Error("AccessDenied");
  // DeleteObjects names its keys in the body, and asks for each.
  const decidesItself = key === undefined && action === "s3:DeleteObject";
  const values = { ...connectionValues(request), "s3:prefix": query.get("prefix") };
  if (!decidesItself && !authorize(access, principal, action, { bucket, key, owner, values })) {
    throw new S3Error("AccessDenied");
  }
  return exists ? owner : "";
}

/** Without the query: that of a presigned URL is a credential. */
function logFields({ requestId, method, target }: S3Request): LogFields {
  return { requestId, method, path: target.split("?", 1)[0] };
}

function errorResponse(request: S3Request, failure: S3Failure, target?: S3Target): S3Response {
  const path = request.target.split("?", 1)[0]!;
  const headers: Record<string, string> = { "content-type": "application/xml", ...failure.headers };
  const told = request.headers.has("x-amz-copy-source") ? failure : withMissing(failure, target);
  const body = request.method === "HEAD" ? null : errorDocument(told, path, request.requestId, HOST_ID);
  return { status: failure.status, headers, body };
}

/** S3 names what is not there, beside the path. Of a copy it may be the source, which the path does not tell. */
function withMissing(failure: S3Failure, target: S3Target | undefined): S3Failure {
  const { code, status, message } = failure;
  if (code === "NoSuchKey" && target?.key !== undefined) {
    return { code, status, message, fields: { Key: target.key } };
  }
  if (code === "NoSuchBucket" && target?.bucket !== undefined) {
    return { code, status, message, fields: { BucketName: target.bucket } };
  }
  return failure;
}
