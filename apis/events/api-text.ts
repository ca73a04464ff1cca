import { z } from "zod";
import type { ApiText } from "../openapi/document.ts";
import { elsewhere, time } from "../openapi/schemas.ts";

const event = z.object({ id: z.uuid(), subject: z.string(), time, data: elsewhere("What the event tells") });
const letter = z.object({
  consumer: z.string(),
  event,
  error: z.string().describe("Of the last attempt"),
  attempts: z.number().int(),
  firstAt: time,
  lastAt: time,
});
const replayed = z.object({ replayed: z.number().int() });

export const EVENTS_TEXT = {
  service: "events",
  title: "Skerry events",
  routes: {
    "GET /tail": {
      summary: "Events from now on, a line of JSON each; empty lines between them mean nothing",
      answers: { 200: { content: "application/x-ndjson" } },
    },
    "GET /dead": {
      summary: "Events that no handler took",
      answers: { 200: z.object({ letters: z.array(letter) }) },
    },
    "POST /dead/:consumer/replay": {
      summary: "Hands all of a consumer's to its handler again",
      answers: { 200: replayed },
    },
    "POST /dead/:consumer/:id/replay": {
      summary: "Hands one to its handler again",
      answers: { 200: replayed },
    },
    "DELETE /dead/:consumer/:id": { summary: "Drops one", answers: { 204: null } },
  },
} as const satisfies ApiText;
