import type { Call } from "./call.ts";
import { S3Error } from "./errors.ts";
import { PayloadError, verifyBody } from "./payload/body.ts";
import { readBody } from "./payload/read-all.ts";
import { XML_SIZE_MAX } from "./xml-read.ts";

/** The verified body of a request that brings XML, at most {@link XML_SIZE_MAX} bytes. */
export async function readXmlBody(call: Call): Promise<Buffer> {
  try {
    return await readBody(verifyBody(call.request, call.caller), XML_SIZE_MAX);
  } catch (error) {
    if (!(error instanceof PayloadError) || error.code !== "EntityTooLarge") throw error;
    throw new S3Error("MaxMessageLengthExceeded", undefined, {
      cause: error,
      fields: { MaxMessageLengthBytes: String(XML_SIZE_MAX) },
    });
  }
}
