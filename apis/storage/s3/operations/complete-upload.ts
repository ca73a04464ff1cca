// POST /bucket/key?uploadId: the parts become an object, and their checksums the object's.
import { RemoteError } from "../../../../chunkd/protocol/errors.ts";
import { PARTS_MAX, type PartRecord, type UploadRecord } from "../../../../masterd/protocol/messages.ts";
import type { Call } from "../call.ts";
import { checksumHeader, checksumTags } from "../checksum-fields.ts";
import { unquote, writeCondition } from "../conditions.ts";
import { S3Error } from "../errors.ts";
import type { S3Response } from "../http.ts";
import { quote, xmlResponse } from "../http-response.ts";
import { PAGE_MAX } from "../limits.ts";
import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm, type CrcAlgorithm } from "../payload/checksum.ts";
import { compositeChecksum, fullObjectChecksum } from "../payload/combine.ts";
import { readXmlBody } from "../xml-body.ts";
import { XmlElement } from "../xml-read.ts";
import { s3Document, tag } from "../xml-write.ts";
import { uploadTarget } from "./multipart.ts";

interface NamedPart {
  partNumber: number;
  etag: string;
  /** By algorithm, as the client has them. */
  checksums: Partial<Record<ChecksumAlgorithm, string>>;
}

export async function completeMultipartUpload(call: Call): Promise<S3Response> {
  const named = readParts(await readXmlBody(call));
  const condition = writeCondition(call.header("if-match"), call.header("if-none-match"));
  const checksums = await objectChecksums(call, named);
  const completed = await call.store.master.completeUpload({
    ...uploadTarget(call),
    parts: named.map(({ partNumber, etag }) => ({ partNumber, etag })),
    checksums,
    condition,
  });
  return xmlResponse(
    s3Document(
      "CompleteMultipartUploadResult",
      tag("Location", `/${call.bucket}/${call.key}`),
      tag("Bucket", call.bucket),
      tag("Key", call.key),
      tag("ETag", quote(completed.etag)),
      checksumTags(completed.attributes),
    ),
  );
}

function readParts(bytes: Uint8Array): NamedPart[] {
  if (bytes.length === 0) throw new S3Error("InvalidRequest", "You must specify at least one part");
  const parts = XmlElement.parse(bytes, "CompleteMultipartUpload").all("Part").map(readPart);
  if (parts.length === 0 || parts.length > PARTS_MAX) {
    throw new S3Error("MalformedXML", `An upload is completed with 1 to ${PARTS_MAX} parts.`);
  }
  for (let index = 1; index < parts.length; index++) {
    if (parts[index]!.partNumber <= parts[index - 1]!.partNumber) throw new S3Error("InvalidPartOrder");
  }
  return parts;
}

function readPart(element: XmlElement): NamedPart {
  const number = element.requiredText("PartNumber").trim();
  const partNumber = /^\d{1,5}$/.test(number) ? Number(number) : 0;
  if (partNumber < 1 || partNumber > PARTS_MAX) {
    throw new S3Error("InvalidArgument", `PartNumber must be >= 1 and <= ${PARTS_MAX}`);
  }
  const checksums: NamedPart["checksums"] = {};
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = element.text(`Checksum${algorithm}`)?.trim();
    if (value) checksums[algorithm] = value;
  }
  return { partNumber, etag: unquote(element.requiredText("ETag").trim()), checksums };
}

/**
 * The whole object's checksums. Empty for an upload that is over: whether it was completed with these very parts, and
 * with which answer, the master knows.
 */
async function objectChecksums(call: Call, named: NamedPart[]): Promise<Record<string, string>> {
  let upload: UploadRecord;
  try {
    upload = await call.store.master.getUpload(uploadTarget(call));
  } catch (error) {
    if (error instanceof RemoteError && error.code === "NO_SUCH_UPLOAD") return {};
    throw error;
  }
  const parts = matchParts(named, await uploadedParts(call));
  checkSize(call, parts);
  const checksums = wholeChecksums(upload, parts);
  checkExpected(call, upload, checksums);
  return checksums;
}

async function uploadedParts(call: Call): Promise<Map<number, PartRecord>> {
  const found = new Map<number, PartRecord>();
  let after: number | undefined = 0;
  while (after !== undefined) {
    const page: { parts: PartRecord[]; next?: number } = await call.store.master.listParts({
      ...uploadTarget(call),
      after,
      max: PAGE_MAX,
    });
    for (const part of page.parts) found.set(part.partNumber, part);
    after = page.next;
  }
  return found;
}

/**
 * The uploaded parts that the client named. Equal entity tags mean equal bytes, so a part that is uploaded again
 * between this look and the completion cannot slip in with other checksums: the master compares the tags once more.
 */
function matchParts(named: NamedPart[], uploaded: Map<number, PartRecord>): PartRecord[] {
  return named.map(({ partNumber, etag, checksums }) => {
    const part = uploaded.get(partNumber);
    const differs =
      part === undefined ||
      part.etag !== etag ||
      Object.entries(checksums).some(([algorithm, value]) => {
        const stored = part.checksums[algorithm];
        return stored !== undefined && stored !== value;
      });
    if (differs) {
      throw new S3Error("InvalidPart", undefined, { fields: { PartNumber: String(partNumber), ETag: etag } });
    }
    return part;
  });
}

function checkSize(call: Call, parts: PartRecord[]): void {
  const expected = call.header("x-amz-mp-object-size");
  if (expected === undefined) return;
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  if (expected !== String(size)) {
    throw new S3Error(
      "InvalidRequest",
      `The provided 'x-amz-mp-object-size' header value ${expected} does not match what was computed: ${size}`,
    );
  }
}

const CRC_ALGORITHMS: readonly CrcAlgorithm[] = ["CRC64NVME", "CRC32C", "CRC32"];

function wholeChecksums(upload: UploadRecord, parts: PartRecord[]): Record<string, string> {
  const algorithm = CHECKSUM_ALGORITHMS.find((known) => known === upload.checksumAlgorithm);
  if (algorithm === undefined) {
    // The client chose none: any CRC that all parts happen to have makes one for the whole.
    const common = CRC_ALGORITHMS.find((crc) => parts.every((part) => part.checksums[crc] !== undefined));
    return common === undefined ? {} : { [common]: fullObject(common, parts) };
  }
  if (upload.checksumType === "COMPOSITE") {
    return { [algorithm]: compositeChecksum(algorithm, partChecksums(algorithm, parts)) };
  }
  const crc = CRC_ALGORITHMS.find((known) => known === algorithm);
  if (crc === undefined) throw new S3Error("InvalidRequest", `${algorithm} has no full object checksum.`);
  return { [crc]: fullObject(crc, parts) };
}

function fullObject(algorithm: CrcAlgorithm, parts: PartRecord[]): string {
  const checksums = partChecksums(algorithm, parts);
  return fullObjectChecksum(
    algorithm,
    parts.map(({ size }, index) => ({ checksum: checksums[index]!, length: size })),
  );
}

function partChecksums(algorithm: string, parts: PartRecord[]): string[] {
  return parts.map(({ checksums, partNumber }) => {
    const checksum = checksums[algorithm];
    if (checksum !== undefined) return checksum;
    throw new S3Error(
      "InvalidRequest",
      `The upload was created using the ${algorithm.toLowerCase()} checksum mode. Part ${partNumber} has no such checksum.`,
    );
  });
}

/** The checksum and type that the client says the object must have. */
function checkExpected(call: Call, upload: UploadRecord, checksums: Record<string, string>): void {
  const type = call.header("x-amz-checksum-type")?.toUpperCase();
  if (type !== undefined && type !== (upload.checksumType ?? "FULL_OBJECT")) {
    throw new S3Error("InvalidRequest", "The upload was created with another x-amz-checksum-type.");
  }
  for (const [algorithm, value] of Object.entries(checksums)) {
    const expected = call.header(checksumHeader(algorithm));
    // A composite checksum may be given with or without its number of parts.
    if (expected !== undefined && expected !== value && expected !== value.split("-")[0]) {
      throw new S3Error(
        "BadDigest",
        `The ${algorithm.toLowerCase()} you specified did not match the calculated checksum.`,
      );
    }
  }
}
