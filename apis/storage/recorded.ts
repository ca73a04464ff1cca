// What the audit log is told of storage: everything that is refused, and changes to buckets and objects. Those to objects by
// S3 go their own way, since there may be thousands a second.
import type { Context } from "hono";
import { matchedRoutes } from "hono/route";
import { findTargetHandler } from "hono/utils/handler";
import type { Described } from "../audit/audited.ts";
import type { AuditEvent } from "../audit/entry.ts";
import type { AuditService } from "../audit/service.ts";
import { actorOf } from "../auth/access/recorded.ts";
import type { Principal } from "../auth/identity.ts";
import { nameOf, type StorageAction } from "./authorize.ts";
import type { RestEnv } from "./rest/session.ts";
import type { NamedObject } from "./s3/call.ts";
import { S3Error } from "./s3/errors.ts";

/** Of a request to the JSON API; undefined where no route is meant, or objects are not recorded. */
export function describeRest(context: Context<RestEnv>, recordsObjects: boolean): Described | undefined {
  for (const { handler } of matchedRoutes(context)) {
    const { action } = findTargetHandler(handler) as { action?: StorageAction };
    if (action === undefined) continue;
    if (!recordsObjects && OBJECT_ACTIONS.has(action) && context.res.status < 400) return undefined;
    const { bucket = "", key = "" } = context.req.param() as { bucket?: string; key?: string };
    return {
      actor: actorOf(context.get("principal"), undefined),
      action,
      resource: context.get("resource") ?? named(action, bucket, key),
    };
  }
  return undefined;
}

const BUCKET_CHANGES: ReadonlySet<StorageAction | undefined> = new Set([
  "s3:CreateBucket",
  "s3:DeleteBucket",
]);
const OBJECT_ACTIONS: ReadonlySet<StorageAction> = new Set(["s3:PutObject", "s3:DeleteObject"]);
/** Parts are no object before their upload is complete. */
const OBJECT_CHANGES: ReadonlySet<string> = new Set([
  "PutObject",
  "CopyObject",
  "CompleteMultipartUpload",
  "AbortMultipartUpload",
  "DeleteObject",
  "DeleteObjects",
]);

export type S3Audit = Pick<AuditService, "record" | "recordObjects" | "recordsObjects">;

/** A request to S3, as far as it was understood. */
export interface S3Event {
  /** Undefined until the signature was found right. */
  caller: Principal | undefined;
  accessKeyId: string | undefined;
  /** S3's name, or `unknown`. */
  operation: string;
  /** Undefined for a request that was refused before it was known. */
  action: StorageAction | undefined;
  bucket?: string;
  key?: string;
  /** Those that the body names, where it is there that they are named. */
  objects: readonly NamedObject[];
}

export interface S3Answer {
  status: number;
  /** Where it failed. */
  code: string | undefined;
  /** The client's address. */
  source: string;
  requestId: string;
}

/**
 * Records what is to be recorded of a request. A change to objects that failed with 5xx may have been made: it is told as
 * failed. Resolves as {@link AuditService.recordObjects}.
 */
export function recordS3(audit: S3Audit, event: S3Event, answer: S3Answer): Promise<void> | undefined {
  const { status, code } = answer;
  if (status === 401 || status === 403) audit.record(told(event, answer, event.key, "refused"));
  else if (BUCKET_CHANGES.has(event.action)) {
    if (status < 400) audit.record(told(event, answer, undefined, "allowed"));
  } else if (audit.recordsObjects && OBJECT_CHANGES.has(event.operation)) {
    if (status < 400) return recordChanged(audit, event, answer);
    if (status >= 500 && code !== "NotImplemented") recordFailed(audit, event, answer);
  }
  return undefined;
}

function recordChanged(audit: S3Audit, event: S3Event, answer: S3Answer): Promise<void> | undefined {
  if (event.key !== undefined) return audit.recordObjects([told(event, answer, event.key, "allowed")]);
  for (const { key, error } of event.objects) {
    if (!(error instanceof S3Error) || error.code !== "AccessDenied") continue;
    audit.record(told(event, { ...answer, code: error.code }, key, "refused"));
  }
  const changed = event.objects.filter(({ error }) => error === undefined);
  return audit.recordObjects(changed.map(({ key }) => told(event, answer, key, "allowed")));
}

function recordFailed(audit: S3Audit, event: S3Event, answer: S3Answer): void {
  const keys = event.objects.filter(({ error }) => error === undefined).map(({ key }) => key);
  for (const key of keys.length > 0 ? keys : [event.key]) audit.record(told(event, answer, key, "failed"));
}

function told(
  { caller, accessKeyId, action, operation, bucket = "" }: S3Event,
  { code, source, requestId }: S3Answer,
  key: string | undefined,
  outcome: AuditEvent["outcome"],
): AuditEvent {
  const actor = actorOf(caller, undefined);
  return {
    actor: caller && accessKeyId !== undefined ? { ...actor, credential: `key:${accessKeyId}` } : actor,
    action: action ?? "s3:Authenticate",
    resource: named(action, bucket, key ?? ""),
    outcome,
    code,
    source,
    requestId,
    details: action === undefined || action === `s3:${operation}` ? undefined : { operation },
  };
}

/** As in a policy; what no policy can name is told as it came. */
function named(action: StorageAction | undefined, bucket: string, key: string): string {
  const plain = key === "" ? `arn:aws:s3:::${bucket}` : `arn:aws:s3:::${bucket}/${key}`;
  try {
    return action === undefined ? plain : nameOf(action, bucket, key);
  } catch {
    return plain;
  }
}
