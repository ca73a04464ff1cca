// The worked examples of "Authenticating Requests (AWS Signature Version 4)" in the Amazon S3 API reference.

import { expect, test } from "bun:test";
import { verifyBody } from "../payload/body.ts";
import { readBody } from "../payload/read-all.ts";
import { encodeAwsChunked } from "../payload/testing/aws-chunked-encode.ts";
import { chunkSigning, presign } from "./sign.ts";
import {
  check,
  EMPTY_SHA256,
  EXAMPLE,
  EXAMPLE_NOW,
  EXAMPLE_REGION,
  refusal,
  requestOf,
} from "./testing/example-account.ts";

const HOST = "examplebucket.s3.amazonaws.com";
const SCOPE = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";

function authorization(signedHeaders: string, signature: string): string {
  return `AWS4-HMAC-SHA256 Credential=${SCOPE},SignedHeaders=${signedHeaders},Signature=${signature}`;
}

const PLAIN = { host: HOST, "x-amz-content-sha256": EMPTY_SHA256, "x-amz-date": "20130524T000000Z" };
const PLAIN_NAMES = "host;x-amz-content-sha256;x-amz-date";

const EXAMPLES = [
  {
    name: "GET object with a range",
    method: "GET",
    target: "/test.txt",
    headers: { ...PLAIN, range: "bytes=0-9" },
    signedHeaders: "host;range;x-amz-content-sha256;x-amz-date",
    signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    key: "test.txt",
  },
  {
    name: "PUT object with a name that needs encoding",
    method: "PUT",
    target: "/test$file.text",
    headers: {
      ...PLAIN,
      date: "Fri, 24 May 2013 00:00:00 GMT",
      "x-amz-content-sha256": "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
      "x-amz-storage-class": "REDUCED_REDUNDANCY",
    },
    signedHeaders: "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
    signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    key: "test$file.text",
  },
  {
    name: "GET bucket lifecycle, a parameter without value",
    method: "GET",
    target: "/?lifecycle",
    headers: PLAIN,
    signedHeaders: PLAIN_NAMES,
    signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    key: undefined,
  },
  {
    name: "list objects, parameters out of order",
    method: "GET",
    target: "/?prefix=J&max-keys=2",
    headers: PLAIN,
    signedHeaders: PLAIN_NAMES,
    signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    key: undefined,
  },
] as const;

for (const example of EXAMPLES) {
  test(`${example.name}: the published signature is accepted, and no other`, () => {
    const request = (signature: string) =>
      requestOf(example.method, example.target, {
        ...example.headers,
        authorization: authorization(example.signedHeaders, signature),
      });
    const authenticated = check(request(example.signature));
    expect(authenticated.accessKeyId).toBe(EXAMPLE.accessKeyId);
    expect(authenticated.principal.userId).toBe("u-1");
    expect(authenticated.target.bucket).toBe("examplebucket");
    expect(authenticated.target.key).toBe(example.key);
    expect(refusal(request("0".repeat(64)))).toBe("403 SignatureDoesNotMatch");
  });
}

test("presigned GET: the published URL is accepted for its day and made again by presign", () => {
  const target = presign(
    { method: "GET", host: HOST, rawPath: "/test.txt" },
    86_400,
    EXAMPLE,
    EXAMPLE_REGION,
    EXAMPLE_NOW,
  );
  expect(target).toEndWith(
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
  );
  const request = requestOf("GET", target, { host: HOST });
  expect(check(request).payload).toEqual({ kind: "unsigned" });
  expect(refusal(request, EXAMPLE_NOW + 86_400_000)).toBe("accepted");
  expect(refusal(request, EXAMPLE_NOW + 86_400_001)).toBe("403 AccessDenied");
});

const CHUNKED = {
  host: "s3.amazonaws.com",
  "x-amz-date": "20130524T000000Z",
  "x-amz-storage-class": "REDUCED_REDUNDANCY",
  "content-encoding": "aws-chunked",
  "x-amz-decoded-content-length": "66560",
};
const DATA = Buffer.alloc(66_560, "a");
const CHUNKS = [DATA.subarray(0, 65_536), DATA.subarray(65_536)];

test("PUT in signed chunks: the published chunk signatures are accepted and made again", async () => {
  const headers = {
    ...CHUNKED,
    "content-length": "66824",
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    authorization: authorization(
      "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
      "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    ),
  };
  const body = Buffer.concat([
    Buffer.from("10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n"),
    CHUNKS[0]!,
    Buffer.from(
      "\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n",
    ),
    CHUNKS[1]!,
    Buffer.from(
      "\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n",
    ),
  ]);
  expect(body.length).toBe(66_824);
  const signing = chunkSigning(headers, EXAMPLE, EXAMPLE_REGION, EXAMPLE_NOW);
  expect(encodeAwsChunked(CHUNKS, { signing }).equals(body)).toBe(true);

  const request = requestOf("PUT", "/examplebucket/chunkObject.txt", headers, body);
  const verified = verifyBody(request, check(request));
  expect(verified.length).toBe(66_560);
  expect((await readBody(verified, 1e6)).equals(DATA)).toBe(true);
});

test("PUT in signed chunks with a trailer: the published signatures are accepted and made again", async () => {
  const headers = {
    ...CHUNKED,
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "x-amz-trailer": "x-amz-checksum-crc32c",
    authorization: authorization(
      "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
      "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    ),
  };
  const signing = chunkSigning(headers, EXAMPLE, EXAMPLE_REGION, EXAMPLE_NOW);
  const trailer = { name: "x-amz-checksum-crc32c", value: "sOO8/Q==" };
  const body = encodeAwsChunked(CHUNKS, { signing, trailer });
  for (const signature of [
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435",
  ]) {
    expect(body.includes(signature)).toBe(true);
  }
  const request = requestOf("PUT", "/examplebucket/chunkObject.txt", headers, body);
  const verified = verifyBody(request, check(request));
  expect((await readBody(verified, 1e6)).equals(DATA)).toBe(true);
  expect(verified.result().checksums).toEqual({ CRC32C: "sOO8/Q==" });
});
