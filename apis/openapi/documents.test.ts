import { describe, expect, test } from "bun:test";
import { validate } from "@hyperjump/json-schema/openapi-3-1";
import { Hono } from "hono";
import { findTargetHandler } from "hono/utils/handler";
import { z } from "zod";
import { AUDIT_TEXT } from "../audit/api-text.ts";
import { type AuditApp, createAuditApp } from "../audit/app.ts";
import { AUTH_TEXT } from "../auth/api-text.ts";
import { type AuthApp, createAuthApp } from "../auth/app.ts";
import { EVENTS_TEXT } from "../events/api-text.ts";
import { createEventsApp, type EventsApp } from "../events/app.ts";
import { STORAGE_TEXT } from "../storage/api-text.ts";
import { createStorageApp, type StorageApp } from "../storage/app.ts";
import { checkedBody, checkedQuery } from "./checked.ts";
import { DOCUMENT_PATH, openapi } from "./document.ts";
import { agreeing } from "./testing/agreement.ts";

/** With the routes alone, which nobody asks. */
const nothing = {} as never;
const APPS: Record<string, Pick<Hono, "routes" | "request">> = {
  audit: createAuditApp(nothing) as unknown as Hono,
  auth: createAuthApp(nothing, nothing) as unknown as Hono,
  events: createEventsApp(nothing) as unknown as Hono,
  storage: createStorageApp(nothing) as unknown as Hono,
};

interface Operation {
  operationId: string;
  summary: string;
  description?: string;
  security?: [];
  parameters?: { name: string; in: string; required: boolean; schema: object }[];
  requestBody?: { required: boolean; content: Record<string, { schema?: object }> };
  responses: Record<string, { content?: Record<string, { schema?: object }> }>;
}
interface Document {
  openapi: string;
  servers: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
}

async function documentOf(app: Pick<Hono, "request">, path = DOCUMENT_PATH): Promise<Document> {
  const response = await app.request(path);
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/json"]);
  return (await response.json()) as Document;
}

function operationsOf({ paths }: Document): [name: string, operation: Operation][] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );
}

/** The routes of an app as its document has to name them, and the action that each declares. */
function routesOf(app: Pick<Hono, "routes">): Map<string, string | undefined> {
  const routes = new Map<string, string | undefined>();
  for (const { method, path, handler } of app.routes) {
    if (method === "ALL") continue;
    const template = path
      .split("/")
      .map((part) => (part.startsWith(":") ? `{${/\w+/.exec(part)}}` : part))
      .join("/");
    const { action } = findTargetHandler(handler) as { action?: string };
    const name = `${method} ${template}`;
    routes.set(name, routes.get(name) ?? action);
  }
  return routes;
}

const OPENAPI_3_1 = "https://spec.openapis.org/oas/3.1/schema-base";

async function problemsOf(document: unknown): Promise<unknown> {
  const output = await validate(OPENAPI_3_1, document as never, "BASIC");
  return output.valid ? [] : output;
}

for (const [service, app] of Object.entries(APPS)) {
  describe(`the document of ${service}`, () => {
    test("is valid OpenAPI 3.1, with its schemas", async () => {
      const document = await documentOf(app);
      expect(document.openapi).toBe("3.1.1");
      expect(document.servers).toEqual([{ url: `/api/${service}` }]);
      expect(await problemsOf(document)).toEqual([]);
      const references = JSON.stringify(document).matchAll(/"\$ref":"(.*?)"/g);
      for (const [, to = ""] of references) expect(document).toHaveProperty(to.split("/").slice(1));
    });

    test("has every route, and nothing else", async () => {
      const named = operationsOf(await documentOf(app)).map(([name]) => name);
      expect(named.sort()).toEqual([...routesOf(app).keys()].sort());
    });

    test("tells the action of each route, and which ones need no credentials", async () => {
      const told = operationsOf(await documentOf(app)).map(([name, { description, security }]) => {
        expect([name, description === undefined]).toEqual([name, security !== undefined]);
        return [name, /`(.*)`/.exec(description ?? "")?.[1]];
      });
      expect(new Map(told as [string, string][])).toEqual(routesOf(app) as Map<string, string>);
    });

    test("names each operation once, and the parameters of its path", async () => {
      const operations = operationsOf(await documentOf(app));
      const ids = operations.map(([, { operationId }]) => operationId);
      expect(new Set(ids).size).toBe(ids.length);
      for (const [name, { parameters = [] }] of operations) {
        const inPath = parameters.filter((each) => each.in === "path").map((each) => each.name);
        expect([name, inPath]).toEqual([name, [...name.matchAll(/\{(\w+)\}/g)].map(([, each]) => each!)]);
      }
    });
  });
}

test("all but the document itself, and whether storage works, needs credentials outside of auth", async () => {
  const open = async (service: string) =>
    operationsOf(await documentOf(APPS[service]!)).flatMap(([name, { security }]) =>
      security ? [name] : [],
    );
  expect(await open("audit")).toEqual(["GET /openapi.json"]);
  expect(await open("events")).toEqual(["GET /openapi.json"]);
  expect(await open("storage")).toEqual(["GET /openapi.json", "GET /healthz"]);
});

test("a document that is not OpenAPI 3.1 is found out", async () => {
  const broken: ((document: Document) => void)[] = [
    (document) => Reflect.deleteProperty(document, "openapi"),
    ({ paths }) => {
      paths["/buckets/{bucket}"]!.delete!.responses["204"] = {};
    },
    ({ paths }) => {
      paths["/buckets"]!.get!.parameters![0]!.in = "body";
    },
    ({ paths }) => {
      paths["/buckets"]!.post!.requestBody!.content["application/json"]!.schema = { type: "text" };
    },
  ];
  for (const breaks of broken) {
    const document = await documentOf(APPS.storage!);
    breaks(document);
    expect(await problemsOf(document)).not.toEqual([]);
  }
});

const THING = z.object({ name: z.string().min(1) });
const refuse = (problem: string) => new Error(problem);
const things = () =>
  new Hono()
    .get("/things", checkedQuery(z.object({ max: z.coerce.number().default(5) }), refuse), (context) =>
      context.json({ things: ["a"] }),
    )
    .post("/things", checkedBody(THING, refuse), (context) => context.json(context.req.valid("json"), 201));
type Things = ReturnType<typeof things>;
const LIST = { summary: "Lists", answers: { 200: z.object({ things: z.array(z.string()) }) } };
const MORE = {
  summary: "Lists",
  answers: { 200: LIST.answers[200].extend({ next: z.string().optional() }) },
};
const MAKE = { summary: "Makes", answers: { 201: THING } };
const TEXTS = { "GET /things": LIST, "POST /things": MAKE };

test("queries and bodies are those that the validators check", async () => {
  const app = things();
  app.get(DOCUMENT_PATH, openapi({ service: "things", title: "Things", routes: TEXTS }, app.routes));
  const { paths } = await documentOf(new Hono().route("/api/things", app), "/api/things/openapi.json");
  expect(paths["/things"]!.get!.parameters).toEqual([
    { name: "max", in: "query", required: false, schema: { default: 5, type: "number" } },
  ]);
  const schema = {
    type: "object",
    properties: { name: { type: "string", minLength: 1 } },
    required: ["name"],
  };
  const { requestBody, responses } = paths["/things"]!.post!;
  expect(requestBody).toEqual({ required: true, content: { "application/json": { schema } } });
  expect(responses["201"]).toMatchObject({ content: { "application/json": { schema } } });
});

test("an API with a route that is not described, or is described and not there, does not start", () => {
  const { routes } = things();
  const api = { service: "things", title: "Things" };
  expect(() => openapi({ ...api, routes: { "GET /things": LIST } }, routes)).toThrow(
    "the document of things says nothing of POST /things",
  );
  expect(() => openapi({ ...api, routes: { ...TEXTS, "GET /gone": LIST } }, routes)).toThrow(
    "the document of things tells of what is not there: GET /gone",
  );
});

test("the texts of all APIs agree with their handlers, or this file does not compile", () => {
  agreeing<AuditApp>()(AUDIT_TEXT.routes);
  agreeing<AuthApp>()(AUTH_TEXT.routes);
  agreeing<EventsApp>()(EVENTS_TEXT.routes);
  agreeing<StorageApp>()(STORAGE_TEXT.routes);
});

test("a text that is missing, or says other than its handler, does not compile", () => {
  agreeing<Things>()(TEXTS);
  // @ts-expect-error a route is left out
  agreeing<Things>()({ "GET /things": LIST });
  // @ts-expect-error another schema
  agreeing<Things>()({ "GET /things": { summary: "Lists", answers: { 200: THING } }, "POST /things": MAKE });
  // @ts-expect-error a property more
  agreeing<Things>()({ "GET /things": MORE, "POST /things": MAKE });
  // @ts-expect-error another status
  agreeing<Things>()({ "GET /things": LIST, "POST /things": { summary: "Makes", answers: { 200: THING } } });
  // @ts-expect-error a status that is left out
  agreeing<Things>()({ "GET /things": LIST, "POST /things": { summary: "Makes", answers: {} } });
});
