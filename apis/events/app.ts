// The HTTP API of events: for whoever watches them and looks after those that could not be handled. Answers are JSON; errors are
// {"error":{"code","message"}} with the codes of std/bus/errors.ts and of the audit log.
import { type Context, Hono } from "hono";
import { createMiddleware } from "hono/factory";
import { z } from "zod";
import type { Bus } from "../../std/bus/bus.ts";
import type { DeadLetter } from "../../std/bus/carrier.ts";
import { BusError } from "../../std/bus/errors.ts";
import type { BusEvent } from "../../std/bus/event.ts";
import type { Clock } from "../../std/clock.ts";
import type { Log } from "../../std/log.ts";
import type { Decision } from "../audit/app.ts";
import { audited, type Described } from "../audit/audited.ts";
import { AuditError } from "../audit/errors.ts";
import { query } from "../audit/requests.ts";
import { RunningLimit } from "../audit/running-limit.ts";
import type { AuditService } from "../audit/service.ts";
import type { Origin } from "../gateway-trust.ts";
import { DOCUMENT_PATH, openapi } from "../openapi/document.ts";
import { collectionName, type ResourceName } from "../policy/resource-names.ts";
import { EVENTS_TEXT } from "./api-text.ts";

export type EventsApp = ReturnType<typeof createEventsApp>;
export type EventsAction = "events:TailEvents" | "events:ReadDeadLetters" | "events:ReplayDeadLetters";

export interface EventsAppOptions {
  bus: Bus;
  audit: Pick<AuditService, "record" | "reserve">;
  /** Whether this request may do `action` on `resource`; a cookie alone must not do for a change. May throw {@link AuditError}. */
  decide(
    context: Context,
    action: EventsAction,
    resource: ResourceName<"event" | "dead-letter">,
  ): Promise<Decision>;
  clock: Clock;
  log: Log;
}

interface EventsEnv {
  /** Given with each request: `app.fetch(request, origin)`. */
  Bindings: Partial<Origin>;
  Variables: { asked?: Described };
}

const REQUESTS_RUNNING_MAX = 32;
const TAILS_RUNNING_MAX = 16;
/** An empty line shows a reader that a tail without events goes on. Below the idle timeouts of all that is between. */
const BEAT_MS = 4_000;
const TAIL_QUERY = z.object({ subject: z.union([z.string(), z.array(z.string())]).default(">") });
const DEAD_QUERY = z.object({ consumer: z.string().optional() });
/** They belong to nobody. */
const RESOURCES = {
  "events:TailEvents": collectionName("events", "", "event"),
  "events:ReadDeadLetters": collectionName("events", "", "dead-letter"),
  "events:ReplayDeadLetters": collectionName("events", "", "dead-letter"),
} as const;
const STATUS: Partial<Record<string, 400 | 404 | 503>> = { bad_subject: 400, not_found: 404, closed: 503 };

/** `GET /dead`: in the order of consumers and event ids, at most 1,000 of each consumer. */
export interface DeadLetters {
  letters: DeadLetter[];
}

export interface Replayed {
  replayed: number;
}

export function createEventsApp({ bus, audit, decide, clock, log }: EventsAppOptions) {
  const requests = new RunningLimit(REQUESTS_RUNNING_MAX, "requests");
  const tails = new RunningLimit(TAILS_RUNNING_MAX, "tails");
  const may = (action: EventsAction) => {
    const middleware = createMiddleware<EventsEnv>(async (context, next) => {
      const resource = RESOURCES[action];
      const decision = await decide(context, action, resource);
      context.set("asked", { actor: decision.actor, action, resource, details: context.req.param() });
      if (!decision.allowed) throw new AuditError(decision.code, decision.message);
      await next();
    });
    return Object.assign(middleware, { action });
  };
  const app = new Hono<EventsEnv>()
    .use(audited<EventsEnv>(audit, (context) => context.get("asked")))
    .use(async (context, next) => {
      const leave = requests.enter();
      try {
        await next();
      } finally {
        leave();
      }
      context.header("cache-control", "no-store");
    })
    .get("/tail", may("events:TailEvents"), query(TAIL_QUERY), async (context) => {
      const { subject } = context.req.valid("query");
      const leave = tails.enter();
      const stop = new AbortController();
      try {
        const events = await bus.tail([subject].flat(), stop.signal);
        return streamed(events, clock, () => {
          stop.abort();
          leave();
        });
      } catch (error) {
        leave();
        throw error;
      }
    })
    .get("/dead", may("events:ReadDeadLetters"), query(DEAD_QUERY), async (context) => {
      const { consumer } = context.req.valid("query");
      const consumers = consumer === undefined ? [...bus.consumers].sort() : [consumer];
      const letters = await Promise.all(consumers.map((consumer) => bus.deadLetters(consumer)));
      return context.json({ letters: letters.flat() } satisfies DeadLetters);
    })
    .post("/dead/:consumer/replay", may("events:ReplayDeadLetters"), async (context) =>
      context.json({ replayed: await bus.replayAll(context.req.param("consumer")) } satisfies Replayed),
    )
    .post("/dead/:consumer/:id/replay", may("events:ReplayDeadLetters"), async (context) => {
      await bus.replay(context.req.param("consumer"), context.req.param("id"));
      return context.json({ replayed: 1 } satisfies Replayed);
    })
    .delete("/dead/:consumer/:id", may("events:ReplayDeadLetters"), async (context) => {
      await bus.drop(context.req.param("consumer"), context.req.param("id"));
      return context.body(null, 204);
    });
  app.get(DOCUMENT_PATH, openapi(EVENTS_TEXT, app.routes));
  app.notFound(() => answer(404, "not_found", "There is no such resource"));
  app.onError((error) => {
    if (error instanceof AuditError) return answer(error.status, error.code, error.message);
    const status = error instanceof BusError ? STATUS[error.code] : undefined;
    if (status !== undefined) return answer(status, (error as BusError).code, error.message);
    log.error("a request about events failed", { error: error.message, stack: error.stack });
    return answer(500, "internal", "Something went wrong here; the log tells more");
  });
  return app;
}

/** JSON lines, the first and some between them empty. `ended` is called once, however it ends. */
function streamed(events: AsyncIterable<BusEvent>, clock: Clock, ended: () => void): Response {
  const iterator = events[Symbol.asyncIterator]();
  let begun = false;
  let next: Promise<IteratorResult<BusEvent>> | undefined;
  const lines = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const line = begun ? await lineInTime() : "\n";
        begun = true;
        if (line !== undefined) return controller.enqueue(Buffer.from(line));
        controller.close();
      } catch (error) {
        controller.error(error);
      }
      ended();
    },
    cancel: ended,
  });

  async function lineInTime(): Promise<string | undefined> {
    const beat = Promise.withResolvers<undefined>();
    const timer = clock.after(BEAT_MS, () => beat.resolve(undefined));
    next ??= iterator.next();
    const result = await Promise.race([next, beat.promise]);
    timer.cancel();
    if (result === undefined) return "\n";
    next = undefined;
    return result.done ? undefined : `${JSON.stringify(result.value)}\n`;
  }

  return new Response(lines, {
    headers: { "content-type": "application/x-ndjson", "x-content-type-options": "nosniff" },
  });
}

function answer(status: number, code: string, message: string): Response {
  const headers = new Headers({ "cache-control": "no-store" });
  if (status === 401) headers.set("www-authenticate", 'Bearer realm="skerry"');
  if (status === 503) headers.set("retry-after", "2");
  return Response.json({ error: { code, message } }, { status, headers });
}
