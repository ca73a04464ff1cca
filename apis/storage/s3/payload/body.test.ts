import { expect, test } from "bun:test";
import { chunkSigning, presign, type RequestToSign, signRequest } from "../auth/sign.ts";
import {
  check,
  EXAMPLE,
  EXAMPLE_NOW,
  EXAMPLE_REGION,
  requestOf,
  signedRequest,
} from "../auth/testing/example-account.ts";
import type { S3Request } from "../http.ts";
import { PayloadError, verifyBody } from "./body.ts";
import { type ChecksumAlgorithm, createChecksum } from "./checksum.ts";
import { BODY_LENGTH_MAX } from "./declaration.ts";
import { readBody } from "./read-all.ts";
import { encodeAwsChunked } from "./testing/aws-chunked-encode.ts";

const BODY = Buffer.from("Welcome to Amazon S3.");
const PUT: RequestToSign = { method: "PUT", host: "h", rawPath: "/b/k" };
const ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] as const;

function base64(algorithm: ChecksumAlgorithm | "md5", data: Uint8Array = BODY): string {
  if (algorithm === "md5") return Bun.CryptoHasher.hash("md5", data, "base64");
  const checksum = createChecksum(algorithm);
  checksum.update(data);
  return checksum.digest().toString("base64");
}

/** What came of `request`: its body as text, or the error's status and code. */
async function outcome(request: S3Request): Promise<string> {
  try {
    return (await readBody(verifyBody(request, check(request)), 1e6)).toString();
  } catch (error) {
    if (error instanceof PayloadError) return `${error.status} ${error.code}`;
    throw error;
  }
}

function put(
  headers: Record<string, string>,
  payloadHash = "UNSIGNED-PAYLOAD",
  body: Uint8Array = BODY,
): S3Request {
  return signedRequest({ ...PUT, headers, payloadHash }, body, 5);
}

test("the MD5 and what was asked for are told once the stream has ended, not before", async () => {
  const request = put({});
  const verified = verifyBody(request, check(request), ["CRC64NVME"]);
  expect(verified.length).toBe(BODY.length);
  expect(() => verified.result()).toThrow("only after its stream has ended");
  await readBody(verified, 1e6);
  expect(verified.result()).toEqual({
    md5Hex: Bun.CryptoHasher.hash("md5", BODY, "hex"),
    checksums: { CRC64NVME: base64("CRC64NVME") },
  });
});

test("a body that is not what was signed is XAmzContentSHA256Mismatch, in either case of the hex", async () => {
  const hash = Bun.CryptoHasher.hash("sha256", BODY, "hex");
  expect(await outcome(put({}, hash))).toBe(BODY.toString());
  expect(await outcome(put({}, hash.toUpperCase()))).toBe(BODY.toString());
  expect(await outcome(put({}, hash, Buffer.from("Welcome to Amazon S4.")))).toBe(
    "400 XAmzContentSHA256Mismatch",
  );
});

test("Content-MD5 is verified", async () => {
  expect(await outcome(put({ "content-md5": base64("md5") }))).toBe(BODY.toString());
  expect(await outcome(put({ "content-md5": base64("md5", Buffer.from("x")) }))).toBe("400 BadDigest");
  for (const wrong of [
    "",
    "x",
    base64("md5").slice(0, -1),
    base64("SHA1"),
    `${base64("md5")}=`,
    "*".repeat(24),
  ]) {
    expect(await outcome(put({ "content-md5": wrong }))).toBe("400 InvalidDigest");
  }
});

for (const algorithm of ALGORITHMS) {
  const name = `x-amz-checksum-${algorithm.toLowerCase()}`;

  test(`${name} in a header is verified and told`, async () => {
    const request = put({ [name]: base64(algorithm), "x-amz-sdk-checksum-algorithm": algorithm });
    const verified = verifyBody(request, check(request));
    await readBody(verified, 1e6);
    expect(verified.result().checksums).toEqual({ [algorithm]: base64(algorithm) });
    expect(await outcome(put({ [name]: base64(algorithm, Buffer.from("x")) }))).toBe("400 BadDigest");
    for (const wrong of ["", "AAAA", `${base64(algorithm)}AAAA`, base64(algorithm).replace(/=*$/, "")]) {
      if (wrong !== base64(algorithm))
        expect(await outcome(put({ [name]: wrong }))).toBe("400 InvalidRequest");
    }
  });

  test(`${name} in a trailer is verified and told, signed and unsigned`, async () => {
    for (const signed of [false, true]) {
      expect(await trailed(signed, name, base64(algorithm))).toBe(BODY.toString());
      expect(await trailed(signed, name, base64(algorithm, Buffer.from("x")))).toBe("400 BadDigest");
      expect(await trailed(signed, name, "AAAA")).toBe("400 InvalidRequest");
      expect(await trailed(signed, name, "")).toBe("400 InvalidRequest");
    }
  });
}

/** A request in a trailer mode; `more` headers overwrite. */
function trailed(
  signed: boolean,
  name: string,
  value: string,
  more: Record<string, string> = {},
): Promise<string> {
  const payloadHash = signed
    ? "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    : "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
  const headers = signRequest(
    {
      ...PUT,
      payloadHash,
      headers: { "x-amz-decoded-content-length": String(BODY.length), "x-amz-trailer": name, ...more },
    },
    EXAMPLE,
    EXAMPLE_REGION,
    EXAMPLE_NOW,
  );
  const signing = signed ? chunkSigning(headers, EXAMPLE, EXAMPLE_REGION, EXAMPLE_NOW) : undefined;
  return outcome(
    requestOf("PUT", "/b/k", headers, encodeAwsChunked([BODY], { signing, trailer: { name, value } }), 7),
  );
}

test("more than one checksum, in headers or in header and trailer, is InvalidRequest", async () => {
  const crc = { "x-amz-checksum-crc32": base64("CRC32") };
  expect(await outcome(put({ ...crc, "x-amz-checksum-sha1": base64("SHA1") }))).toBe("400 InvalidRequest");
  expect(await trailed(false, "x-amz-checksum-crc32", base64("CRC32"), crc)).toBe("400 InvalidRequest");
});

test("a checksum that cannot be verified is refused, not passed over", async () => {
  expect(await outcome(put({ "x-amz-checksum-xxhash64": "AAAAAAAAAAA=" }))).toBe("400 InvalidRequest");
  expect(await trailed(false, "x-amz-checksum-xxhash64", "AAAAAAAAAAA=")).toBe("400 InvalidRequest");
  expect(await trailed(false, "x-amz-meta-a", "v")).toBe("400 InvalidRequest");
  expect(await outcome(put({ "x-amz-trailer": "x-amz-checksum-crc32" }))).toBe("400 InvalidRequest");
});

test("an announced algorithm must be the one that comes", async () => {
  const announce = (algorithm: string, more = {}) =>
    outcome(put({ "x-amz-sdk-checksum-algorithm": algorithm, ...more }));
  const crc = { "x-amz-checksum-crc32": base64("CRC32") };
  expect(await announce("crc32", crc)).toBe(BODY.toString());
  expect(await announce("SHA1", crc)).toBe("400 InvalidRequest");
  expect(await announce("CRC32")).toBe("400 InvalidRequest");
  expect(await announce("CRC7", crc)).toBe("400 InvalidRequest");
});

test("a multipart completion's checksum is the object's, not its XML's", async () => {
  const headers = { "x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-type": "FULL_OBJECT" };
  expect(await outcome(signedRequest({ ...PUT, method: "POST", query: "uploadId=u", headers }, BODY))).toBe(
    BODY.toString(),
  );
  expect(await outcome(signedRequest({ ...PUT, query: "partNumber=1&uploadId=u", headers }, BODY))).toBe(
    "400 BadDigest",
  );
});

test("S03: a body shorter or longer than Content-Length is refused", async () => {
  const length = (value: number) =>
    outcome(requestOf("PUT", "/b/k", { host: "h", "content-length": String(value) }, BODY, 4));
  expect(await length(BODY.length)).toBe(BODY.toString());
  expect(await length(BODY.length + 1)).toBe("400 IncompleteBody");
  expect(await length(BODY.length - 1)).toBe("400 InvalidRequest");
  expect(await length(0)).toBe("400 InvalidRequest");
  expect(await outcome(requestOf("PUT", "/b/k", { host: "h", "content-length": "7" }))).toBe(
    "400 IncompleteBody",
  );
});

test("an object without any length is MissingContentLength; a bucket's PUT without body is empty", async () => {
  expect(await outcome(requestOf("PUT", "/b/k", { host: "h" }))).toBe("411 MissingContentLength");
  expect(await outcome(requestOf("PUT", "/b", { host: "h" }))).toBe("");
  const headers = signRequest(
    { ...PUT, payloadHash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER" },
    EXAMPLE,
    EXAMPLE_REGION,
    EXAMPLE_NOW,
  );
  expect(await outcome(requestOf("PUT", "/b/k", headers, Buffer.from("0\r\n\r\n")))).toBe(
    "411 MissingContentLength",
  );
});

test("lengths that are no numbers are InvalidArgument", async () => {
  for (const wrong of ["-1", "+5", "5, 5", "0x5", "", "1e3", "9".repeat(30)]) {
    expect(await outcome(requestOf("PUT", "/b/k", { host: "h", "content-length": wrong }))).toBe(
      "400 InvalidArgument",
    );
    const headers = { "x-amz-decoded-content-length": wrong };
    expect(await outcome(put(headers, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"))).toBe("400 InvalidArgument");
  }
});

test("more than 5 GiB is EntityTooLarge before anything is read", () => {
  const length = String(BODY_LENGTH_MAX + 1);
  const request = requestOf("PUT", "/b/k", { host: "h", "content-length": length });
  expect(() => verifyBody(request, check(request))).toThrow(
    expect.objectContaining({ code: "EntityTooLarge" }),
  );
});

test("a connection that fails is IncompleteBody, with its cause", async () => {
  const reset = new Error("aborted");
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield BODY.subarray(0, 5);
    throw reset;
  }
  const request = {
    ...requestOf("PUT", "/b/k", { host: "h", "transfer-encoding": "chunked" }),
    body: failing(),
  };
  const reading = readBody(verifyBody(request, check(request)), 1e6);
  const error = await reading.catch((thrown: PayloadError) => thrown);
  expect(error).toMatchObject({ code: "IncompleteBody", cause: reset });
});

test("a refused body is left open, so that the error can still be answered on its connection", async () => {
  let closed = false;
  const body: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: false, value: BODY }),
      return: async () => {
        closed = true;
        return { done: true, value: undefined };
      },
    }),
  };
  const request = { ...requestOf("PUT", "/b/k", { host: "h", "content-length": "5" }), body };
  expect(await outcome(request)).toBe("400 InvalidRequest");
  expect(closed).toBe(false);
});

test("a body without length is decoded from HTTP's own chunks, and has no length beforehand", async () => {
  const headers = signRequest(
    { ...PUT, headers: { "transfer-encoding": "chunked" } },
    EXAMPLE,
    EXAMPLE_REGION,
    EXAMPLE_NOW,
  );
  const request = { ...requestOf("PUT", "/b/k", headers, BODY), headers: new Map(Object.entries(headers)) };
  expect(verifyBody(request, check(request)).length).toBeUndefined();
  expect(await outcome(request)).toBe(BODY.toString());
});

test("an XML body over its limit is EntityTooLarge, announced or not", async () => {
  const announced = put({});
  await expect(readBody(verifyBody(announced, check(announced)), 20)).rejects.toMatchObject({
    code: "EntityTooLarge",
  });
  const streamed = requestOf("PUT", "/b", { host: "h", "transfer-encoding": "chunked" }, BODY);
  const headers = new Map(streamed.headers);
  headers.delete("content-length");
  const open = { ...streamed, headers };
  await expect(readBody(verifyBody(open, check(open)), 20)).rejects.toMatchObject({ code: "EntityTooLarge" });
});

test("a presigned upload is held to the checksum in its URL, unless that is of no body at all", async () => {
  const upload = (value: string) => {
    const query = `x-amz-checksum-crc32=${encodeURIComponent(value)}&x-amz-sdk-checksum-algorithm=CRC32`;
    const target = presign({ ...PUT, query }, 60, EXAMPLE, EXAMPLE_REGION, EXAMPLE_NOW);
    return outcome(requestOf("PUT", target, { host: "h" }, BODY));
  };
  expect(await upload(base64("CRC32"))).toBe(BODY.toString());
  expect(await upload(base64("CRC32", Buffer.from("x")))).toBe("400 BadDigest");
  expect(await upload("AAAAAA==")).toBe(BODY.toString());
  expect(await outcome(put({ "x-amz-checksum-crc32": "AAAAAA==" }))).toBe("400 BadDigest");
});
