// What the audit log is told of storage: everything that is refused, and changes to buckets. What is written to objects
// is not recorded: there may be thousands a second.
import type { Context } from "hono";
import { matchedRoutes } from "hono/route";
import { findTargetHandler } from "hono/utils/handler";
import type { Described } from "../audit/audited.ts";
import type { AuditEvent } from "../audit/entry.ts";
import { actorOf } from "../auth/access/recorded.ts";
import type { Principal } from "../auth/identity.ts";
import { nameOf, type StorageAction } from "./authorize.ts";
import type { RestEnv } from "./rest/session.ts";

/** Of a request to the JSON API; undefined where no route is meant. */
export function describeRest(context: Context<RestEnv>): Described | undefined {
  for (const { handler } of matchedRoutes(context)) {
    const { action } = findTargetHandler(handler) as { action?: StorageAction };
    if (action === undefined) continue;
    const { bucket = "", key = "" } = context.req.param() as { bucket?: string; key?: string };
    return {
      actor: actorOf(context.get("principal"), undefined),
      action,
      resource: context.get("resource") ?? named(action, bucket, key),
    };
  }
  return undefined;
}

export interface S3Event {
  /** Undefined until the signature was found right. */
  caller: Principal | undefined;
  accessKeyId: string | undefined;
  /** Undefined for a request that was refused before it was known. */
  action: StorageAction | undefined;
  bucket?: string;
  key?: string;
}

const BUCKET_CHANGES: ReadonlySet<StorageAction | undefined> = new Set([
  "s3:CreateBucket",
  "s3:DeleteBucket",
]);

/** Of a request to S3 that was answered `status`, with `code` where it failed; undefined for what is not recorded. */
export function describeS3(
  { caller, accessKeyId, action, bucket = "", key = "" }: S3Event,
  status: number,
  code: string | undefined,
): Pick<AuditEvent, "actor" | "action" | "resource" | "outcome" | "code"> | undefined {
  const isRefused = status === 401 || status === 403;
  if (!isRefused && (status >= 400 || !BUCKET_CHANGES.has(action))) return undefined;
  const credential = accessKeyId === undefined ? undefined : `key:${accessKeyId}`;
  return {
    actor: { ...actorOf(caller, undefined), ...(caller && { credential }) },
    action: action ?? "s3:Authenticate",
    resource: named(action, bucket, key),
    outcome: isRefused ? "refused" : "allowed",
    code,
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
