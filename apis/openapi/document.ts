// The OpenAPI document of an API, made from the app that answers: its routes, what their validators check with, the
// actions that they declare, and a text for each (api-text.ts).
import { STATUS_CODES } from "node:http";
import type { Handler } from "hono";
import type { RouterRoute } from "hono/types";
import { findTargetHandler } from "hono/utils/handler";
import { z } from "zod";
import { SESSION_COOKIE } from "../auth/sessions/session-cookies.ts";
import type { Action } from "../policy/actions.ts";
import type { Checking } from "./checked.ts";
import type { Content, RouteText, RouteTexts } from "./route-text.ts";

export const DOCUMENT_PATH = "/openapi.json";

export interface ApiText {
  /** It is at `/api/<service>`. */
  service: string;
  title: string;
  routes: RouteTexts;
}

/** What the handlers and middlewares of one route tell of it. */
type Telling = Checking & { action?: Action };
type Json = Record<string, unknown>;

const VERSION = "3.1.1";
const ERROR = z.object({
  error: z.object({ code: z.string().describe("stable"), message: z.string().describe("for people") }),
});
const OF_THE_DOCUMENT: RouteText = {
  summary: "This document",
  answers: { 200: { content: "application/json" } },
};

/**
 * Answers with the document of the API with these `routes`, to be mounted at {@link DOCUMENT_PATH}. Throws at once where a
 * route has no text, or a text no route.
 */
export function openapi(api: ApiText, routes: readonly RouterRoute[]): Handler {
  const described = withTexts(api, routes);
  let text: string | undefined;
  return (context) => {
    text ??= JSON.stringify(documentOf(api, described));
    return context.body(text, 200, { "content-type": "application/json" });
  };
}

type Described = ReadonlyMap<string, { text: RouteText; telling: Telling }>;

function withTexts({ service, routes: texts }: ApiText, routes: readonly RouterRoute[]): Described {
  const described = new Map([[`GET ${DOCUMENT_PATH}`, { text: OF_THE_DOCUMENT, telling: {} as Telling }]]);
  for (const { method, path, handler } of routes) {
    if (method === "ALL") continue;
    const name = `${method} ${path}`;
    const text = texts[name];
    if (text === undefined) throw new Error(`the document of ${service} says nothing of ${name}`);
    const { action, query, json } = findTargetHandler(handler) as Telling;
    const told = { ...(action && { action }), ...(query && { query }), ...(json && { json }) };
    described.set(name, { text, telling: { ...described.get(name)?.telling, ...told } });
  }
  const gone = Object.keys(texts).filter((name) => !described.has(name));
  if (gone.length > 0)
    throw new Error(`the document of ${service} tells of what is not there: ${gone.join(", ")}`);
  return described;
}

function documentOf({ service, title }: ApiText, described: Described): Json {
  const paths: Record<string, Json> = {};
  for (const [name, { text, telling }] of described) {
    const [method = "", path = ""] = name.split(" ");
    const template = path.replace(/:(\w+)(?:\{.*?\})?(?=\/|$)/g, "{$1}");
    paths[template] = {
      ...paths[template],
      [method.toLowerCase()]: operation(method, template, text, telling),
    };
  }
  return {
    openapi: VERSION,
    info: { title, version: "1", license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    servers: [{ url: `/api/${service}` }],
    security: [{ bearer: [] }, { cookie: [] }],
    paths,
    components: {
      schemas: { Error: jsonSchema(ERROR) },
      responses: {
        Error: { description: "Refused or failed", content: asJson({ $ref: "#/components/schemas/Error" }) },
      },
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "An access token or an API token" },
        cookie: {
          type: "apiKey",
          in: "cookie",
          name: SESSION_COOKIE,
          description: "A page's session; changes also need the header X-Skerry-CSRF: 1",
        },
      },
    },
  };
}

function operation(
  method: string,
  template: string,
  text: RouteText,
  { action, query, json }: Telling,
): Json {
  const body = json ?? text.body;
  const inPath = [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const parameters = [...inPath, ...(query ? queryParameters(query) : [])];
  const answers = Object.entries(text.answers).map(([status, answer]) => [
    status,
    { description: STATUS_CODES[status], ...(answer && { content: contentOf(answer) }) },
  ]);
  return {
    operationId: `${method.toLowerCase()}${template.replace(/\W+(\w)?/g, (_, first) => first?.toUpperCase() ?? "")}`,
    summary: text.summary,
    ...(action ? { description: `Needs the permission \`${action}\`.` } : { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: json !== undefined, content: contentOf(body) } }),
    responses: { ...Object.fromEntries(answers), default: { $ref: "#/components/responses/Error" } },
  };
}

function queryParameters(schema: z.ZodType): Json[] {
  const { properties = {}, required = [] } = jsonSchema(schema) as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, each]) => ({
    name,
    in: "query",
    required: required.includes(name),
    schema: each,
  }));
}

function contentOf(what: z.ZodType | Content): Json {
  return "content" in what ? { [what.content]: {} } : asJson(jsonSchema(what));
}

function asJson(schema: Json): Json {
  return { "application/json": { schema } };
}

/** As what goes over the wire: before defaults and transformations. */
function jsonSchema(schema: z.ZodType): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input" });
  return rest;
}
