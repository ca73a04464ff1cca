// Storage as the edge mounts it: the JSON API at `/`. S3 stands beside it (s3/handler.ts): it has its own
// authentication, its own errors, and URLs that no router may touch.
import { Hono } from "hono";
import { DOCUMENT_PATH, openapi } from "../openapi/document.ts";
import { STORAGE_TEXT } from "./api-text.ts";
import { notFound } from "./rest/errors.ts";
import { createStorageRest, type StorageRestOptions } from "./rest.ts";

/** `GET /healthz` is open to anybody and says only that this process can reach the master; so is the API's document. */
export function createStorageApp(options: StorageRestOptions) {
  const rest = createStorageRest(options);
  const open = new Hono()
    .notFound((context) => notFound(context, options.log))
    .get("/healthz", async (context) => {
      try {
        await options.store.master.listBuckets({ max: 1 });
        return context.text("ok");
      } catch {
        return context.text("the storage master does not answer", 503);
      }
    });
  const document = openapi(STORAGE_TEXT, [...open.routes, ...rest.routes]);
  return open.get(DOCUMENT_PATH, document).route("/", rest);
}

export type StorageApp = ReturnType<typeof createStorageApp>;
