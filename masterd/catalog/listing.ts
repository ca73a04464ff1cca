// LIST by seeking: a common prefix costs one seek behind its whole group, however many keys it stands for.
import type { ListRequest, ListResponse, MasterMethods, UploadRecord } from "../protocol/messages.ts";
import type { Catalog } from "./catalog.ts";
import { behindKey, behindPrefix } from "./key-range.ts";
import { listedObject } from "./object-table.ts";

/** Rows fetched by the first seek behind a group; then four times as many each time, up to what the page can take. */
const SEEK_ROWS_MIN = 4;

/** The common prefix that `key` belongs to: up to the first delimiter behind the prefix, that included. */
function groupOf(key: string, prefix: string, delimiter: string | undefined): string | undefined {
  if (!delimiter) return undefined;
  const at = key.indexOf(delimiter, prefix.length);
  return at < 0 ? undefined : key.slice(0, at + delimiter.length);
}

/** Where a listing that goes on behind `after` starts. A common prefix that was told already is passed as a whole. */
function startBehind(after: string, prefix: string, delimiter: string | undefined): Buffer {
  const told = after.startsWith(prefix) && groupOf(after, prefix, delimiter) === after;
  return told ? behindPrefix(Buffer.from(after)) : behindKey(Buffer.from(after));
}

function later(a: Buffer, b: Buffer): Buffer {
  return Buffer.compare(a, b) >= 0 ? a : b;
}

export function listObjects({ buckets, objects }: Catalog, request: ListRequest): ListResponse {
  const { prefix = "", delimiter, after, max } = request;
  const bucket = buckets.id(request.bucket);
  const page: ListResponse = { objects: [], commonPrefixes: [] };
  if (max === 0) return page;
  const end = behindPrefix(Buffer.from(prefix));
  let from: Buffer = Buffer.from(prefix);
  if (after !== undefined) from = later(from, startBehind(after, prefix, delimiter));
  let last = "";
  let seekRows = delimiter ? SEEK_ROWS_MIN : max + 1;
  for (;;) {
    const wanted = max + 1 - page.objects.length - page.commonPrefixes.length;
    const limit = Math.min(seekRows, wanted);
    const rows = objects.range(bucket, from, end, limit);
    let group: string | undefined;
    for (const row of rows) {
      const object = listedObject(row);
      if (page.objects.length + page.commonPrefixes.length === max) return { ...page, next: last };
      group = groupOf(object.key, prefix, delimiter);
      if (group !== undefined) break;
      page.objects.push(object);
      last = object.key;
    }
    if (group !== undefined) {
      page.commonPrefixes.push(group);
      last = group;
      from = behindPrefix(Buffer.from(group));
      seekRows = SEEK_ROWS_MIN;
    } else if (rows.length < limit) {
      return page;
    } else {
      from = behindKey(Buffer.from(last));
      seekRows *= 4;
    }
  }
}

type ListUploads = MasterMethods["listUploads"];

export function listUploads(
  { buckets, uploads }: Catalog,
  request: ListUploads["request"],
): ListUploads["response"] {
  const { prefix = "", delimiter, after, max } = request;
  const bucket = buckets.id(request.bucket);
  const page: ListUploads["response"] = { uploads: [], commonPrefixes: [] };
  if (max === 0) return page;
  const end = behindPrefix(Buffer.from(prefix));
  let position = uploadStart(prefix, delimiter, after);
  let last: ListUploads["response"]["next"];
  for (;;) {
    const limit = max + 1 - page.uploads.length - page.commonPrefixes.length;
    const rows = uploads.range(bucket, position.key, position.id, end, limit);
    let group: string | undefined;
    for (const upload of rows) {
      if (page.uploads.length + page.commonPrefixes.length === max) return { ...page, next: last };
      group = groupOf(upload.key, prefix, delimiter);
      if (group !== undefined) break;
      page.uploads.push(upload);
      last = { key: upload.key, uploadId: upload.uploadId };
      position = behindUpload(upload);
    }
    if (group !== undefined) {
      page.commonPrefixes.push(group);
      last = { key: group };
      position = { key: behindPrefix(Buffer.from(group)), id: "" };
    } else if (rows.length < limit) {
      return page;
    }
  }
}

/** A position (key, id): uploads above it come next. Ids are never empty, so (key, "") stands before all of key's. */
interface UploadPosition {
  key: Buffer;
  id: string;
}

function behindUpload({ key, uploadId }: UploadRecord): UploadPosition {
  return { key: Buffer.from(key), id: uploadId };
}

function uploadStart(
  prefix: string,
  delimiter: string | undefined,
  after: ListUploads["request"]["after"],
): UploadPosition {
  const first = { key: Buffer.from(prefix), id: "" };
  if (!after) return first;
  const behind =
    after.uploadId !== undefined
      ? { key: Buffer.from(after.key), id: after.uploadId }
      : { key: startBehind(after.key, prefix, delimiter), id: "" };
  return Buffer.compare(behind.key, first.key) >= 0 ? behind : first;
}
