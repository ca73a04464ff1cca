import { RemoteError } from "../../../../chunkd/protocol/errors.ts";
import type { Condition, MasterErrorCode } from "../../../../masterd/protocol/messages.ts";
import type { Call, NamedObject } from "../call.ts";
import { unquote, writeCondition } from "../conditions.ts";
import { S3Error } from "../errors.ts";
import { expectedFailure, INTERNAL_FAILURE } from "../failure.ts";
import type { S3Response } from "../http.ts";
import { emptyResponse, xmlResponse } from "../http-response.ts";
import { checkKey } from "../keys.ts";
import { PAGE_MAX } from "../limits.ts";
import { readXmlBody } from "../xml-body.ts";
import { XmlElement } from "../xml-read.ts";
import { branch, s3Document, tag } from "../xml-write.ts";
import { NULL_VERSION, refuseOtherVersions } from "./versions.ts";

/** DELETE /bucket/key. A key that is not there is deleted just as well. */
export async function deleteObject(call: Call): Promise<S3Response> {
  refuseOtherVersions(call);
  const condition = writeCondition(call.header("if-match"), undefined);
  await call.store.master.deleteObject({ bucket: call.bucket, key: call.key, condition });
  return emptyResponse(204);
}

interface Deletion {
  key: string;
  condition?: Condition;
}

/** POST /bucket?delete */
export async function deleteObjects(call: Call): Promise<S3Response> {
  requireDigest(call);
  const bytes = await readXmlBody(call);
  if (bytes.length === 0) throw new S3Error("MissingRequestBodyError");
  const request = XmlElement.parse(bytes, "Delete");
  const quiet = request.text("Quiet")?.trim().toLowerCase() === "true";
  const named = request.all("Object");
  if (named.length === 0 || named.length > PAGE_MAX) {
    throw new S3Error("MalformedXML", `A request deletes 1 to ${PAGE_MAX} objects.`);
  }
  const outcomes = await deleteAll(call, named);
  const rows = outcomes.map((outcome) => outcomeRow(outcome, quiet));
  return xmlResponse(s3Document("DeleteResult", ...rows));
}

/** S3 takes this request only with something that proves its body whole. */
function requireDigest(call: Call): void {
  for (const [name] of call.request.headers) {
    if (name === "content-md5" || name.startsWith("x-amz-checksum-") || name === "x-amz-trailer") return;
  }
  throw new S3Error(
    "InvalidRequest",
    "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
  );
}

/** Refuses what cannot be deleted one by one and asks the master for the rest at once; in the order of the request. */
async function deleteAll(call: Call, named: XmlElement[]): Promise<NamedObject[]> {
  const outcomes: NamedObject[] = [];
  const deletions: { at: number; deletion: Deletion }[] = [];
  for (const element of named) {
    const key = element.requiredText("Key");
    const outcome: NamedObject = { key };
    try {
      const deletion = readDeletion(key, element);
      const { bucket, bucketOwner: owner } = call;
      if (!call.may("s3:DeleteObject", { bucket, key, owner })) throw new S3Error("AccessDenied");
      deletions.push({ at: outcomes.length, deletion });
    } catch (error) {
      if (!(error instanceof S3Error) || error.code === "MalformedXML") throw error;
      outcome.error = error;
    }
    outcomes.push(outcome);
  }
  if (outcomes.every(({ error }) => error instanceof S3Error && error.code === "AccessDenied")) {
    throw new S3Error("AccessDenied");
  }
  call.objects = outcomes;
  if (deletions.length === 0) return outcomes;
  const { results } = await call.store.master.deleteObjects({
    bucket: call.bucket,
    objects: deletions.map(({ deletion }) => deletion),
  });
  for (const [index, { error }] of results.entries()) {
    if (error)
      outcomes[deletions[index]!.at]!.error = new RemoteError<MasterErrorCode>(error.code, error.message);
  }
  return outcomes;
}

function readDeletion(key: string, element: XmlElement): Deletion {
  checkKey(key);
  const versionId = element.text("VersionId");
  if (versionId && versionId !== NULL_VERSION) throw new S3Error("NoSuchVersion");
  if (element.text("Size") !== undefined || element.text("LastModifiedTime") !== undefined) {
    throw new S3Error("NotImplemented", "Only ETag is taken as a condition of a deletion.");
  }
  const etag = element.text("ETag");
  return { key, condition: etag === undefined ? undefined : writeCondition(unquote(etag.trim()), undefined) };
}

function outcomeRow({ key, error }: NamedObject, quiet: boolean): string {
  if (error === undefined) return quiet ? "" : branch("Deleted", tag("Key", key));
  const { code, message } = expectedFailure(error) ?? INTERNAL_FAILURE;
  return branch("Error", tag("Key", key), tag("Code", code), tag("Message", message));
}
