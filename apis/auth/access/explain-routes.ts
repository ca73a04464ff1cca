import { Hono, type MiddlewareHandler } from "hono";
import type { Decision } from "../../../std/policy/evaluate.ts";
import { type Action, isAction, type KindOf } from "../../policy/actions.ts";
import type { ResourceName } from "../../policy/resource-names.ts";
import type { AuthEnvironment } from "../authentication.ts";
import { AuthError } from "../errors.ts";
import { query } from "../request-body.ts";
import type { AuthService } from "../service.ts";
import type { On } from "./access.ts";
import { may } from "./may.ts";
import { explainQuery } from "./request-schemas.ts";

/** User id of a bucket's owner; undefined where there is no such bucket. */
export type BucketOwner = (bucket: string) => Promise<string | undefined>;

/** What somebody may do, and why. */
export interface Explanation extends Decision {
  user: string;
  action: Action;
  resource: string;
  /** User id of the resource's owner, as far as it is known. */
  owner: string | null;
}

/** Why something is allowed, or what is missing: to oneself, and to whoever may see that of others. */
export function explainRoutes(
  auth: AuthService,
  authenticate: MiddlewareHandler<AuthEnvironment>,
  bucketOwner: BucketOwner | undefined,
) {
  return new Hono<AuthEnvironment>().get(
    "/explain",
    authenticate,
    may(auth, "auth:ExplainAccess", (context, places, me) => {
      const user = context.req.query("user");
      return user === undefined ? places.self(me) : places.user(user);
    }),
    query(explainQuery),
    async (context) => {
      const { action, resource, user } = context.req.valid("query");
      if (!isAction(action)) throw new AuthError("invalid_request", `action: there is no "${action}"`);
      if (!resource.startsWith("arn:")) throw new AuthError("invalid_request", "resource: must be an ARN");
      const principal = user === undefined ? context.get("principal") : auth.principalNamed(user);
      const owner = await ownerOf(resource, bucketOwner);
      const on: On<KindOf<Action>> = {
        resource: resource as ResourceName<KindOf<Action>>,
        ...(owner !== undefined && { owner }),
      };
      const decision = auth.access.decide(principal, action, on);
      const told: Explanation = { user: principal.name, action, resource, owner: owner ?? null, ...decision };
      return context.json(told);
    },
  );
}

async function ownerOf(resource: string, bucketOwner: BucketOwner | undefined): Promise<string | undefined> {
  const [, partition, , , owner, ...rest] = resource.split(":");
  if (partition === "skerry") return owner || undefined;
  const bucket = rest.join(":").split("/", 1)[0];
  return bucket ? bucketOwner?.(bucket) : undefined;
}
