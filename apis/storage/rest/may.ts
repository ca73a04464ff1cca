import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import { connectionValues } from "../../auth/authentication.ts";
import {
  authorize,
  nameOf,
  type Permissions,
  type StorageAction,
  type StorageResource,
} from "../authorize.ts";
import type { ObjectStore } from "../objects.ts";
import { checkKey } from "../s3/keys.ts";
import { accessDenied } from "./errors.ts";
import type { RestEnv } from "./session.ts";

/**
 * Makes the middleware of a route, which declares its action and lets a request through if its sender may do that to the
 * bucket and key in the path, or, where a bucket is made, in the body. It throws `AccessDenied`, or `NO_SUCH_BUCKET` of the
 * master.
 */
export function routeGuard(access: Permissions, store: ObjectStore) {
  return (action: StorageAction) => {
    const middleware = createMiddleware<RestEnv>(async (context, next) => {
      const principal = context.get("principal");
      const { bucket, key } = context.req.param() as { bucket?: string; key?: string };
      if (key !== undefined) checkKey(key);
      const place =
        bucket !== undefined
          ? { bucket, key, owner: (await store.bucket(bucket)).owner }
          : await withoutBucket(action, principal.userId, () => context.req.json());
      context.set("resource", nameOf(action, place.bucket ?? "", key ?? ""));
      if (!authorize(access, principal, action, { ...place, values: valuesOf(context) }))
        throw accessDenied();
      await next();
    });
    return Object.assign(middleware, { action });
  };
}

/** What policies may look at besides, as S3 tells it too. */
export function valuesOf(context: Context): StorageResource["values"] {
  return { ...connectionValues(context), "s3:prefix": context.req.query("prefix") };
}

/** One's own list, or what is to be made and will be one's own. */
async function withoutBucket(
  action: StorageAction,
  userId: string,
  body: () => Promise<{ name: string }>,
): Promise<{ bucket?: string; owner?: string }> {
  if (action === "s3:ListAllMyBuckets") return { owner: userId };
  if (action === "s3:CreateBucket") return { bucket: (await body()).name, owner: userId };
  return {};
}
