// The HTTP API of the audit log. Answers are JSON; errors are {"error":{"code","message"}} with the codes of errors.ts.
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { createMiddleware } from "hono/factory";
import { HTTPException } from "hono/http-exception";
import { isUnreachable } from "../../std/db/database.ts";
import type { Log } from "../../std/log.ts";
import type { Origin } from "../gateway-trust.ts";
import { DOCUMENT_PATH, openapi } from "../openapi/document.ts";
import { collectionName, type ResourceName } from "../policy/resource-names.ts";
import { AUDIT_TEXT } from "./api-text.ts";
import { audited, type Described } from "./audited.ts";
import type { Actor } from "./entry.ts";
import { AuditError, unavailable } from "./errors.ts";
import type { AuditEntry } from "./reader.ts";
import { body, filterQuery, pageQuery, query, retentionBody, verifyQuery } from "./requests.ts";
import { RunningLimit } from "./running-limit.ts";
import type { AuditService } from "./service.ts";

/** Who asks, also where it is refused; `anonymous` where nobody is proved. */
export type Decision =
  | { allowed: true; actor: Actor }
  | { allowed: false; actor: Actor; code: "unauthenticated" | "forbidden"; message: string };

export type AuditAction = "auth:ReadAudit" | "auth:ExportAudit" | "auth:UpdateAuditRetention";

/**
 * Whether this request may do `action` on `resource`. A cookie alone must not do for a change. May throw
 * {@link AuditError} `unavailable` where that cannot be told.
 */
export type Decide = (
  context: Context,
  action: AuditAction,
  resource: ResourceName<"audit-entry">,
) => Promise<Decision>;

export interface AuditAppOptions {
  audit: AuditService;
  decide: Decide;
  log: Log;
}

interface AuditEnv {
  /** Given with each request: `app.fetch(request, origin)`. */
  Bindings: Partial<Origin>;
  Variables: { asked?: Described };
}

const BODY_SIZE_MAX = 1 << 10;
const REQUESTS_RUNNING_MAX = 32;
const EXPORTS_RUNNING_MAX = 2;
const CHECKS_RUNNING_MAX = 1;
/** Entries that one request checks; it then answers from where to go on. Takes below a second or two. */
const CHECKED_MAX = 50_000;
/** All entries; they belong to nobody. */
const RESOURCE = collectionName("auth", "", "audit-entry");

export type AuditApp = ReturnType<typeof createAuditApp>;

export function createAuditApp({ audit, decide, log }: AuditAppOptions) {
  const exportsRunning = new RunningLimit(EXPORTS_RUNNING_MAX, "exports");
  const checksRunning = new RunningLimit(CHECKS_RUNNING_MAX, "checks");
  const may = (action: AuditAction) => {
    const middleware = createMiddleware<AuditEnv>(async (context, next) => {
      const decision = await decide(context, action, RESOURCE);
      context.set("asked", { actor: decision.actor, action, resource: RESOURCE });
      if (!decision.allowed) throw new AuditError(decision.code, decision.message);
      await next();
    });
    return Object.assign(middleware, { action });
  };
  const app = new Hono<AuditEnv>()
    .use(audited<AuditEnv>(audit, (context) => context.get("asked")))
    .use(limited(new RunningLimit(REQUESTS_RUNNING_MAX, "requests")))
    .use(bodyLimit({ maxSize: BODY_SIZE_MAX, onError: refuseBody }))
    .get("/entries", may("auth:ReadAudit"), query(pageQuery), async (context) => {
      const { before, after, limit, ...filter } = context.req.valid("query");
      return context.json(await audit.entries(filter, { before, after, limit }));
    })
    .get("/export", may("auth:ExportAudit"), query(filterQuery), (context) =>
      exported(audit.export(context.req.valid("query")), exportsRunning.enter(), log),
    )
    .get("/verify", may("auth:ReadAudit"), query(verifyQuery), async (context) => {
      const { sequence, hash } = context.req.valid("query");
      const from = sequence === undefined ? undefined : { sequence, hash: Buffer.from(hash!, "hex") };
      const leave = checksRunning.enter();
      try {
        return context.json(await audit.verify({ from, entriesMax: CHECKED_MAX }));
      } finally {
        leave();
      }
    })
    .get("/retention", may("auth:ReadAudit"), async (context) =>
      context.json({ days: await audit.retentionDays() }),
    )
    .put("/retention", may("auth:UpdateAuditRetention"), body(retentionBody), async (context) => {
      const { days } = context.req.valid("json");
      await audit.setRetentionDays(days);
      context.set("asked", { ...context.get("asked")!, details: { days } });
      return context.json({ days });
    });
  app.get(DOCUMENT_PATH, openapi(AUDIT_TEXT, app.routes));
  app.notFound(() => answer(new AuditError("not_found", "There is no such resource")));
  app.onError((error) => answer(asAuditError(error, log)));
  return app;
}

function limited(running: RunningLimit) {
  return createMiddleware(async (context, next) => {
    const leave = running.enter();
    try {
      await next();
    } finally {
      leave();
    }
    context.header("cache-control", "no-store");
  });
}

/** JSON lines. A stream that fails breaks off, so that it is not taken for the whole. */
function exported(pages: AsyncGenerator<AuditEntry[]>, leave: () => void, log: Log): Response {
  const end = async () => {
    leave();
    await pages.return(undefined);
  };
  const lines = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        for (;;) {
          const { value: entries, done } = await pages.next();
          if (done) break;
          if (entries.length === 0) continue;
          controller.enqueue(Buffer.from(entries.map((entry) => `${JSON.stringify(entry)}\n`).join("")));
          return;
        }
        controller.close();
      } catch (error) {
        log.error("an export of the audit log broke off", { error: (error as Error).message });
        controller.error(error);
      }
      await end();
    },
    cancel: end,
  });
  return new Response(lines, {
    headers: {
      "content-type": "application/x-ndjson",
      "content-disposition": 'attachment; filename="audit.jsonl"',
      "x-content-type-options": "nosniff",
    },
  });
}

function refuseBody(): never {
  throw new AuditError("invalid_request", `A body has at most ${BODY_SIZE_MAX} bytes`);
}

/** Hono's own refusals are about bodies that do not parse; anything else is a fault of ours, whose text stays here. */
function asAuditError(error: Error, log: Log): AuditError {
  if (error instanceof AuditError) return error;
  if (isUnreachable(error)) return unavailable("The audit log's database cannot be reached", error);
  if (error instanceof HTTPException && error.status < 500) {
    return new AuditError("invalid_request", "The request cannot be read as JSON", { cause: error });
  }
  log.error("a request to the audit log failed", { error: error.message, stack: error.stack });
  return new AuditError("internal", "Something went wrong here; the log tells more");
}

function answer({ code, message, status }: AuditError): Response {
  const headers = new Headers({ "cache-control": "no-store" });
  if (status === 401) headers.set("www-authenticate", 'Bearer realm="skerry"');
  if (status === 503) headers.set("retry-after", "2");
  return Response.json({ error: { code, message } }, { status, headers });
}
