// The HTTP API of the auth service. Answers are JSON; errors are {"error":{"code","message"}} with the codes of errors.ts.
import { Hono, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import type { Log } from "../../std/log.ts";
import { audited } from "../audit/audited.ts";
import { DOCUMENT_PATH, openapi } from "../openapi/document.ts";
import { OPERATOR } from "./access/access.ts";
import { type BucketOwner, explainRoutes } from "./access/explain-routes.ts";
import { groupRoutes } from "./access/group-routes.ts";
import { describeRequest } from "./access/recorded.ts";
import { roleRoutes } from "./access/role-routes.ts";
import { accountRoutes } from "./accounts/account-routes.ts";
import { asUnavailable } from "./answered.ts";
import { AUTH_TEXT } from "./api-text.ts";
import { type AuthEnvironment, always, authenticated } from "./authentication.ts";
import { AuthError } from "./errors.ts";
import { keyRoutes } from "./key-routes.ts";
import { openidRoutes } from "./openid/openid-routes.ts";
import { passkeyRoutes } from "./passkeys/passkey-routes.ts";
import type { AuthService } from "./service.ts";
import { serviceAccountRoutes } from "./service-accounts/service-account-routes.ts";
import { sessionRoutes } from "./sessions/session-routes.ts";
import { ticketRoutes } from "./tickets/ticket-routes.ts";
import { tokenRoutes } from "./tokens/token-routes.ts";
import { type OwnsBuckets, userRoutes } from "./user-routes.ts";

/** The largest body is a role's: a policy of 20 KiB, in which each quote may have become two characters. */
const BODY_SIZE_MAX = 48 << 10;
/** Queries wait in the database driver without a bound of its own. */
const REQUESTS_RUNNING_MAX = 256;
const JWKS_MAX_AGE_S = 300;

export type AuthApp = ReturnType<typeof createAuthApp>;

/** What the API does beside its own service. */
export interface AuthAppParts {
  /** With it, access to buckets can be explained too. */
  bucketOwner?: BucketOwner;
  /** With it, a user who has buckets is not removed unless it is said what becomes of them. */
  ownsBuckets?: OwnsBuckets;
  /** With it, refusals and changes are recorded. */
  audit?: Parameters<typeof audited>[0];
}

/** The public API: bearer token or session cookie. Mount its `fetch` with the origin of each request. */
export function createAuthApp(auth: AuthService, log: Log, parts: AuthAppParts = {}) {
  return createApp(auth, log, authenticated(auth), parts);
}

/** The same API with every request an administrator's; for a socket that only the owner of the data directory can open. */
export function createAdminApp(auth: AuthService, log: Log, parts: AuthAppParts = {}): AuthApp {
  return createApp(auth, log, always(OPERATOR), parts);
}

function createApp(
  auth: AuthService,
  log: Log,
  authenticate: MiddlewareHandler<AuthEnvironment>,
  { bucketOwner, ownsBuckets, audit }: AuthAppParts,
) {
  const record: MiddlewareHandler<AuthEnvironment> =
    audit === undefined ? (_context, next) => next() : audited(audit, describeRequest);
  const app = new Hono<AuthEnvironment>()
    .use(limitRunning(REQUESTS_RUNNING_MAX))
    .use(async (context, next) => {
      await next();
      // Answers hold secrets; what may be kept says so itself.
      if (!context.res.headers.has("cache-control")) context.header("cache-control", "no-store");
    })
    .use(record)
    .use(bodyLimit({ maxSize: BODY_SIZE_MAX, onError: refuseBody }))
    .get("/.well-known/jwks.json", (context) => {
      context.header("cache-control", `public, max-age=${JWKS_MAX_AGE_S}`);
      return context.json(auth.jwks());
    })
    .route("/", sessionRoutes(auth, authenticate))
    .route("/", ticketRoutes(auth, authenticate))
    .route("/", passkeyRoutes(auth, authenticate))
    .route("/", openidRoutes(auth, authenticate))
    .route("/", accountRoutes(auth, authenticate))
    .route("/", userRoutes(auth, authenticate, ownsBuckets))
    .route("/", keyRoutes(auth, authenticate))
    .route("/", groupRoutes(auth, authenticate))
    .route("/", roleRoutes(auth, authenticate))
    .route("/", tokenRoutes(auth, authenticate))
    .route("/", serviceAccountRoutes(auth, authenticate))
    .route("/", explainRoutes(auth, authenticate, bucketOwner));
  app.get(DOCUMENT_PATH, openapi(AUTH_TEXT, app.routes));
  app.notFound(() => answer(new AuthError("not_found", "There is no such resource")));
  app.onError((error) => answer(asAuthError(error, log)));
  return app;
}

function limitRunning(max: number): MiddlewareHandler {
  let running = 0;
  return async (_context, next) => {
    if (running >= max) throw new AuthError("busy", "Too many requests at a time", { retryAfterS: 1 });
    running++;
    try {
      await next();
    } finally {
      running--;
    }
  };
}

function refuseBody(): never {
  throw new AuthError("body_too_large", `A body has at most ${BODY_SIZE_MAX} bytes`);
}

/** Hono's own refusals are about bodies that do not parse; anything else is a fault of ours, whose text stays here. */
function asAuthError(thrown: Error, log: Log): AuthError {
  const error = asUnavailable(thrown) as Error;
  if (error instanceof AuthError) return error;
  if (error instanceof HTTPException && error.status < 500) {
    return new AuthError("invalid_request", "The request cannot be read as JSON", { cause: error });
  }
  log.error("a request to the auth service failed", { error: error.message, stack: error.stack });
  return new AuthError("internal", "Something went wrong here; the log tells more");
}

function answer({ code, message, status, retryAfterS }: AuthError): Response {
  const headers = new Headers({ "cache-control": "no-store" });
  if (status === 401) headers.set("www-authenticate", 'Bearer realm="skerry"');
  if (retryAfterS !== undefined) headers.set("retry-after", String(retryAfterS));
  return Response.json({ error: { code, message } }, { status, headers });
}
