// `x-amz-copy-source: /bucket/key[?versionId=...]`, parsed once: what is authorized is what is read (S05, S07).
import type { ObjectRecord } from "../../../masterd/protocol/messages.ts";
import { decodePercent } from "./auth/query.ts";
import type { Call } from "./call.ts";
import { evaluateRead } from "./conditions.ts";
import { S3Error } from "./errors.ts";
import { checkKey } from "./keys.ts";
import { fromLatin1 } from "./metadata.ts";

export interface CopySource {
  bucket: string;
  key: string;
}

/** Throws {@link S3Error}: `InvalidArgument` for what names no object, `NoSuchVersion` for any version but "null". */
export function parseCopySource(header: string): CopySource {
  const question = header.indexOf("?");
  const rawPath = question < 0 ? header : header.slice(0, question);
  if (question >= 0) checkVersion(header.slice(question + 1));
  const path = decodePath(rawPath);
  const start = path.startsWith("/") ? 1 : 0;
  const slash = path.indexOf("/", start);
  if (slash <= start)
    throw invalid("Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
  const key = path.slice(slash + 1);
  checkKey(key);
  return { bucket: path.slice(start, slash), key };
}

function invalid(message: string, cause?: unknown): S3Error {
  return new S3Error("InvalidArgument", message, { cause, fields: { ArgumentName: "x-amz-copy-source" } });
}

function checkVersion(query: string): void {
  if (query !== "versionId=null") throw new S3Error("NoSuchVersion");
}

/** S3 reads `+` as a space here, unlike in a path (aws/aws-sdk-js#1821): a plus sign is written %2B. */
function decodePath(rawPath: string): string {
  try {
    return decodePercent(fromLatin1(rawPath).replaceAll("+", " "));
  } catch (cause) {
    throw invalid("Invalid copy source encoding.", cause);
  }
}

/** The source of `call`, once it is known that the caller may read it. */
export async function authorizedSource(call: Call): Promise<CopySource> {
  const source = parseCopySource(call.header("x-amz-copy-source") ?? "");
  const { owner } = await call.store.bucket(source.bucket);
  const expected = call.header("x-amz-source-expected-bucket-owner");
  const allowed = call.may("s3:GetObject", { ...source, owner });
  if (!allowed || (expected !== undefined && expected !== owner)) throw new S3Error("AccessDenied");
  return source;
}

const CONDITION_HEADERS = [
  "x-amz-copy-source-if-match",
  "x-amz-copy-source-if-none-match",
  "x-amz-copy-source-if-modified-since",
  "x-amz-copy-source-if-unmodified-since",
] as const;

export function hasSourceConditions(call: Call): boolean {
  return CONDITION_HEADERS.some((name) => call.header(name) !== undefined);
}

/** Throws `PreconditionFailed` unless `source` is as the call's conditions want it. */
export function checkSourceConditions(call: Call, source: Omit<ObjectRecord, "extents">): void {
  const [ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince] = CONDITION_HEADERS.map((name) =>
    call.header(name),
  );
  const outcome = evaluateRead({ ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince }, source);
  // For a copy there is no 304: nothing was copied, and that is a failure.
  if (outcome !== "proceed") throw new S3Error("PreconditionFailed");
}
