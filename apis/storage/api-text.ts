import { z } from "zod";
import type { ApiText } from "../openapi/document.ts";
import { elsewhere, time } from "../openapi/schemas.ts";

const bucket = z.object({ name: z.string(), owner: z.string().describe("User id"), createdAt: time });
const object = z.object({ key: z.string(), size: z.number().int(), etag: z.string(), modifiedAt: time });
const listing = z.object({
  objects: z.array(object.extend({ checksumAlgorithms: z.array(z.string()).optional() })),
  commonPrefixes: z.array(z.string()),
  next: z.string().optional().describe("The `after` of the next page"),
});
const bytes = { content: "application/octet-stream" } as const;

export const STORAGE_TEXT = {
  service: "storage",
  title: "Skerry storage",
  routes: {
    "GET /healthz": {
      summary: "Whether the storage master answers",
      answers: { 200: { content: "text/plain" }, 503: { content: "text/plain" } },
    },
    "GET /buckets": {
      summary: "Lists one's own buckets, or everybody's for whoever may see them",
      answers: { 200: z.object({ buckets: z.array(bucket), next: z.string().optional() }) },
    },
    "POST /buckets": { summary: "Makes a bucket", answers: { 201: bucket } },
    "DELETE /buckets/:bucket": { summary: "Removes an empty bucket", answers: { 204: null } },
    "GET /buckets/:bucket/objects": {
      summary: "Lists objects in the order of their keys' UTF-8 bytes",
      answers: { 200: listing },
    },
    "PUT /buckets/:bucket/objects/:key{[\\s\\S]+}": {
      summary: "Writes an object; its key is one percent-encoded segment",
      body: bytes,
      answers: { 200: object },
    },
    "GET /buckets/:bucket/objects/:key{[\\s\\S]+}": {
      summary: "Reads an object, or the range of it that the header Range asks for",
      answers: { 200: bytes, 206: bytes },
    },
    "DELETE /buckets/:bucket/objects/:key{[\\s\\S]+}": {
      summary: "Removes an object",
      answers: { 204: null },
    },
    "GET /status": {
      summary: "The state of the storage engine",
      answers: { 200: elsewhere("As masterd tells it") },
    },
  },
} as const satisfies ApiText;
