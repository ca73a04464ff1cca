import { z } from "zod";
import type { ApiText } from "../openapi/document.ts";
import { time } from "../openapi/schemas.ts";

const text = z.string();
const sequence = z.number().int();
const entry = z.object({
  sequence,
  time,
  count: z.number().int().describe("How many events it stands for"),
  actor: z.object({ kind: text, id: text, name: text, credential: text }),
  action: text,
  resource: text,
  outcome: text,
  code: text,
  source: text,
  userAgent: text,
  requestId: text,
  details: z.union([
    z.record(text, z.union([z.string(), z.number(), z.boolean(), z.array(text).readonly()])),
    text.describe("of an altered entry"),
  ]),
  previousHash: text,
  hash: text,
});
const problem = z.enum([
  "altered",
  "unlinked",
  "missing",
  "surplus",
  "unknown_version",
  "head_unsealed",
  "checkpoint_unsealed",
  "head_differs",
  "anchor_differs",
]);
const verdict = z.object({
  sound: z.boolean(),
  broken: z.object({ sequence, problem }).optional(),
  after: sequence.describe("Where it began"),
  checked: z.number().int().describe("Entries that are sound"),
  through: z.object({ sequence, hash: text }).describe("From where to go on"),
  complete: z.boolean(),
});
const retention = z.object({ days: z.number().int() });

export const AUDIT_TEXT = {
  service: "audit",
  title: "Skerry audit log",
  routes: {
    "GET /entries": {
      summary: "A page of entries, the newest first unless `after` is given",
      answers: { 200: z.object({ entries: z.array(entry), next: sequence.optional() }) },
    },
    "GET /export": {
      summary: "All entries that match, a line of JSON each",
      answers: { 200: { content: "application/x-ndjson" } },
    },
    "GET /verify": { summary: "Walks the chain of hashes", answers: { 200: verdict } },
    "GET /retention": { summary: "How long entries are kept", answers: { 200: retention } },
    "PUT /retention": { summary: "Sets how long entries are kept", answers: { 200: retention } },
  },
} as const satisfies ApiText;
