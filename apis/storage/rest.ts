// The dashboard's view of storage, as JSON. Keys travel in the path, percent-encoded as one segment
// (`encodeURIComponent`), so that no part of a URL's normalisation touches them.
import { Hono, type MiddlewareHandler } from "hono";
import { z } from "zod";
import type { Clock } from "../../std/clock.ts";
import type { Log } from "../../std/log.ts";
import { audited } from "../audit/audited.ts";
import type { AuditService } from "../audit/service.ts";
import type { Sessions } from "../auth/identity.ts";
import { checkedBody, checkedQuery } from "../openapi/checked.ts";
import { RequestBody } from "../request-body.ts";
import { authorize, type Permissions } from "./authorize.ts";
import { hashedPayload } from "./hashed-payload.ts";
import type { ObjectStore } from "./objects.ts";
import { describeRest } from "./recorded.ts";
import { download } from "./rest/download.ts";
import { errorAnswer, invalidRequest } from "./rest/errors.ts";
import { routeGuard, valuesOf } from "./rest/may.ts";
import { type RestEnv, requireSession } from "./rest/session.ts";
import { S3Error } from "./s3/errors.ts";
import { PAGE_MAX } from "./s3/limits.ts";
import { BODY_LENGTH_MAX } from "./s3/payload/declaration.ts";

export interface StorageRestOptions {
  store: ObjectStore;
  sessions: Sessions;
  access: Permissions;
  /** With it, refusals and changes are recorded. */
  audit?: Parameters<typeof audited>[0] & Pick<AuditService, "recordsObjects">;
  clock: Clock;
  log: Log;
}

const NEW_BUCKET = z.object({ name: z.string().min(3).max(63) });
const BUCKETS_QUERY = z.object({
  prefix: z.string().optional(),
  after: z.string().optional(),
  max: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_MAX),
});
const OBJECTS_QUERY = BUCKETS_QUERY.extend({ delimiter: z.string().optional() });

/** The JSON API, to be mounted at /api/storage. Its type is the dashboard's client. */
export function createStorageRest({ store, sessions, access, audit, clock, log }: StorageRestOptions) {
  const record: MiddlewareHandler<RestEnv> =
    audit === undefined
      ? (_context, next) => next()
      : audited(audit, (context) => describeRest(context, audit.recordsObjects));
  const may = routeGuard(access, store);
  return new Hono<RestEnv>()
    .onError((error, context) => errorAnswer(error, context, log))
    .use(record)
    .use(requireSession(sessions, access))
    .get(
      "/buckets",
      may("s3:ListAllMyBuckets"),
      checkedQuery(BUCKETS_QUERY, invalidRequest),
      async (context) => {
        const principal = context.get("principal");
        const everybodys = authorize(access, principal, "s3:ListAllMyBuckets", { values: valuesOf(context) });
        const owner = everybodys ? undefined : principal.userId;
        return context.json(await store.master.listBuckets({ ...context.req.valid("query"), owner }));
      },
    )
    .post("/buckets", checkedBody(NEW_BUCKET, invalidRequest), may("s3:CreateBucket"), async (context) => {
      const { name } = context.req.valid("json");
      const { userId } = context.get("principal");
      return context.json(await store.master.createBucket({ name, owner: userId }), 201);
    })
    .delete("/buckets/:bucket", may("s3:DeleteBucket"), async (context) => {
      const bucket = context.req.param("bucket");
      await store.deleteBucket(bucket);
      return context.body(null, 204);
    })
    .get(
      "/buckets/:bucket/objects",
      may("s3:ListBucket"),
      checkedQuery(OBJECTS_QUERY, invalidRequest),
      async (context) => {
        const bucket = context.req.param("bucket");
        return context.json(await store.master.listObjects({ ...context.req.valid("query"), bucket }));
      },
    )
    .put("/buckets/:bucket/objects/:key{[\\s\\S]+}", may("s3:PutObject"), async (context) => {
      const { bucket, key } = context.req.param();
      const length = bodyLength(context.req.header("content-length"));
      const contentType = context.req.header("content-type") ?? "application/octet-stream";
      const body = RequestBody.of(context.req.raw);
      try {
        const payload = hashedPayload(body ?? nothing(), length, "CRC32");
        const { etag, size, modifiedAt } = await store.put(bucket, key, payload, (checksums) => ({
          headers: { "content-type": contentType },
          metadata: {},
          checksums,
          checksumType: "FULL_OBJECT",
        }));
        return context.json({ key, etag, size, modifiedAt });
      } finally {
        await body?.drop(clock);
      }
    })
    .get("/buckets/:bucket/objects/:key{[\\s\\S]+}", may("s3:GetObject"), async (context) => {
      const { bucket, key } = context.req.param();
      return download(context, await store.open(bucket, key));
    })
    .delete("/buckets/:bucket/objects/:key{[\\s\\S]+}", may("s3:DeleteObject"), async (context) => {
      const { bucket, key } = context.req.param();
      await store.master.deleteObject({ bucket, key });
      return context.body(null, 204);
    })
    .get("/status", may("storage:GetStatus"), async (context) =>
      context.json(await store.master.status(null)),
    );
}

export type StorageRest = ReturnType<typeof createStorageRest>;

function bodyLength(header: string | undefined): number {
  if (header === undefined || !/^\d{1,15}$/.test(header)) throw new S3Error("MissingContentLength");
  const length = Number(header);
  if (length > BODY_LENGTH_MAX) throw new S3Error("EntityTooLarge");
  return length;
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
