// PUT /bucket/key with x-amz-copy-source: the destination comes to refer to the source's data; no byte is moved. Only a
// checksum that the source does not have makes its bytes be read.
import { RemoteError } from "../../../../chunkd/protocol/errors.ts";
import type { Attributes, MasterMethods, ObjectRecord } from "../../../../masterd/protocol/messages.ts";
import { requestedAttributes } from "../attributes.ts";
import type { Call } from "../call.ts";
import { checksumTags, requestedAlgorithm } from "../checksum-fields.ts";
import { writeCondition } from "../conditions.ts";
import {
  authorizedSource,
  type CopySource,
  checkSourceConditions,
  hasSourceConditions,
} from "../copy-source.ts";
import { S3Error } from "../errors.ts";
import type { S3Response } from "../http.ts";
import { quote, xmlResponse } from "../http-response.ts";
import { type ChecksumAlgorithm, createChecksum } from "../payload/checksum.ts";
import { isoTime, s3Document, tag } from "../xml-write.ts";

type Source = Omit<ObjectRecord, "extents">;
type Copied = MasterMethods["copyObject"]["response"];

/** How often a source that is overwritten meanwhile is looked at again. */
const ATTEMPTS_MAX = 4;

/** Headers under which S3 copies an object onto itself, whatever they change (rclone settier, aws s3 cp). */
const REWRITING = ["x-amz-storage-class", "x-amz-checksum-algorithm"] as const;

export async function copyObject(call: Call): Promise<S3Response> {
  const replace = replacesMetadata(call);
  const source = await authorizedSource(call);
  const same = source.bucket === call.bucket && source.key === call.key;
  if (same && !replace && !REWRITING.some((name) => call.header(name) !== undefined)) {
    throw new S3Error(
      "InvalidRequest",
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  const { etag, modifiedAt, attributes } = await copy(call, source, replace);
  return xmlResponse(
    s3Document(
      "CopyObjectResult",
      tag("LastModified", isoTime(modifiedAt)),
      tag("ETag", quote(etag)),
      checksumTags(attributes),
    ),
  );
}

function replacesMetadata(call: Call): boolean {
  const directive = call.header("x-amz-metadata-directive") ?? "COPY";
  if (directive !== "COPY" && directive !== "REPLACE") {
    throw new S3Error("InvalidArgument", "Unknown metadata directive.", {
      fields: { ArgumentName: "x-amz-metadata-directive", ArgumentValue: directive },
    });
  }
  return directive === "REPLACE";
}

async function copy(call: Call, source: CopySource, replace: boolean): Promise<Copied> {
  const condition = writeCondition(call.header("if-match"), call.header("if-none-match"));
  const request = { source, bucket: call.bucket, key: call.key, condition };
  const algorithm = requestedAlgorithm(call);
  if (!replace && !hasSourceConditions(call) && algorithm === undefined) {
    return call.store.master.copyObject(request);
  }
  for (let attempt = 1; ; attempt++) {
    const { object } = await call.store.master.headObject(source);
    checkSourceConditions(call, object);
    try {
      return await call.store.master.copyObject({
        ...request,
        // What was checked, and whose checksums are passed on, has to be what is copied.
        sourceCondition: { ifMatch: [object.etag] },
        attributes: await copiedAttributes(call, source, object, { replace, algorithm }),
      });
    } catch (error) {
      if (attempt === ATTEMPTS_MAX || !(await changedMeanwhile(call, source, object, error))) throw error;
    }
  }
}

/** The data stays, so its checksums do, unless one of another algorithm is asked for. */
async function copiedAttributes(
  call: Call,
  source: CopySource,
  { attributes }: Source,
  { replace, algorithm }: { replace: boolean; algorithm?: ChecksumAlgorithm },
): Promise<Attributes> {
  const described = replace ? { ...attributes, ...requestedAttributes(call) } : attributes;
  const known = attributes.checksumType === "FULL_OBJECT" ? Object.keys(attributes.checksums) : [];
  if (algorithm === undefined || known.includes(algorithm)) return described;
  const checksums = { [algorithm]: await wholeChecksum(call, source, algorithm) };
  return { ...described, checksums, checksumType: "FULL_OBJECT" };
}

/** Of the source as it is now: where that is another than was looked at, the copy's condition on its ETag fails. */
async function wholeChecksum(call: Call, source: CopySource, algorithm: ChecksumAlgorithm): Promise<string> {
  const { object, read } = await call.store.open(source.bucket, source.key);
  const checksum = createChecksum(algorithm);
  for await (const bytes of read(0, object.size)) checksum.update(bytes);
  return checksum.digest().toString("base64");
}

/** Tells a source that was overwritten from a condition on the destination that failed. */
async function changedMeanwhile(
  call: Call,
  source: CopySource,
  seen: Source,
  error: unknown,
): Promise<boolean> {
  if (!(error instanceof RemoteError) || error.code !== "PRECONDITION_FAILED") return false;
  const { object } = await call.store.master.headObject(source);
  return object.etag !== seen.etag;
}
