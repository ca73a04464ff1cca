// The AWS SDK for JavaScript at its defaults against authenticate and verifyBody behind a real HTTP server.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { type Authenticated, authenticate, S3AuthError } from "../auth/authenticate.ts";
import { EXAMPLE, exampleKeyring } from "../auth/testing/example-account.ts";
import type { S3Request } from "../http.ts";
import { PayloadError, verifyBody } from "./body.ts";
import type { BodySums } from "./body-digests.ts";
import { readBody } from "./read-all.ts";

interface Received {
  request: S3Request;
  authenticated: Authenticated;
  body: Buffer;
  sums: BodySums;
}

let server: Server;
let endpoint: string;
let received: Received | undefined;

function requestOf(message: IncomingMessage): S3Request {
  const headers = new Map<string, string>();
  for (let i = 0; i < message.rawHeaders.length; i += 2) {
    const name = message.rawHeaders[i]!.toLowerCase();
    const before = headers.get(name);
    headers.set(
      name,
      before === undefined ? message.rawHeaders[i + 1]! : `${before}, ${message.rawHeaders[i + 1]}`,
    );
  }
  return {
    method: message.method!,
    target: message.url!,
    headers,
    body: message,
    remoteAddress: "",
    requestId: "",
  };
}

async function receive(message: IncomingMessage): Promise<string> {
  const request = requestOf(message);
  const authenticated = authenticate(request, exampleKeyring, Date.now(), { region: "eu-test-1" });
  const verified = verifyBody(request, authenticated);
  const body = await readBody(verified, 64 * 1024 * 1024);
  received = { request, authenticated, body, sums: verified.result() };
  const { query } = authenticated.target;
  if (query.has("uploads"))
    return "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
  if (request.method === "POST" && query.has("uploadId")) {
    return "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>";
  }
  return "";
}

beforeAll(async () => {
  server = createServer((message, response) => {
    receive(message).then(
      (xml) => response.writeHead(200, { etag: '"e"' }).end(xml),
      (error: unknown) => {
        const known = error instanceof S3AuthError || error instanceof PayloadError;
        response.writeHead(known ? error.status : 500, { connection: "close" });
        response.end(`<Error><Code>${known ? error.code : String(error)}</Code></Error>`);
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function client(more: Partial<ConstructorParameters<typeof S3Client>[0]> = {}): S3Client {
  return new S3Client({
    endpoint,
    region: "eu-test-1",
    forcePathStyle: true,
    credentials: EXAMPLE,
    maxAttempts: 1,
    ...more,
  });
}

async function put(input: Partial<PutObjectCommandInput>, more = {}): Promise<Received> {
  received = undefined;
  await client(more).send(new PutObjectCommand({ Bucket: "b", Key: "k", ...input }));
  return received!;
}

const BODY = Buffer.alloc(300_000, "0123456789abcdef-");

test("a buffer arrives whole with its default CRC32", async () => {
  const got = await put({ Body: BODY });
  expect(got.body.equals(BODY)).toBe(true);
  expect(Object.keys(got.sums.checksums)).toEqual(["CRC32"]);
  expect(got.sums.md5Hex).toBe(Bun.CryptoHasher.hash("md5", BODY, "hex"));
});

for (const algorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] as const) {
  test(`a stream arrives whole with an unsigned ${algorithm} trailer`, async () => {
    const Body = Readable.from([BODY.subarray(0, 100_000), BODY.subarray(100_000)]);
    const got = await put({ Body, ContentLength: BODY.length, ChecksumAlgorithm: algorithm });
    expect(got.authenticated.payload).toEqual({ kind: "chunked", signed: false, trailer: true });
    expect(got.body.equals(BODY)).toBe(true);
    expect(Object.keys(got.sums.checksums)).toEqual([algorithm]);
  });
}

test("a body hashed by the SDK arrives as signed", async () => {
  const got = await put({ Body: BODY }, { requestChecksumCalculation: "WHEN_REQUIRED" });
  expect(got.authenticated.payload.kind).toBe("signed");
  expect(got.body.equals(BODY)).toBe(true);
});

for (const key of ["a b+c", "//x/../y/./z//", "ünï/çode 日本 🚀", "%2F%25", "!'()*~$&,:;=@", "q?#[]"]) {
  test(`the key ${JSON.stringify(key)} is signed, and parsed, byte for byte`, async () => {
    const got = await put({ Key: key, Body: "x", Metadata: { Note: "two  spaces,  kept" } });
    expect(got.authenticated.target.bucket).toBe("b");
    expect(got.authenticated.target.key).toBe(key);
  });
}

test("a query with every kind of character is signed the same", async () => {
  received = undefined;
  const prefix = "a b+c/%2F&=é!'()*";
  await client().send(
    new ListObjectsV2Command({ Bucket: "b", Prefix: prefix, Delimiter: "/", StartAfter: "" }),
  );
  expect(received!.authenticated.target.query.get("prefix")).toBe(prefix);
});

test("DeleteObjects brings a checksum of its XML", async () => {
  received = undefined;
  await client().send(new DeleteObjectsCommand({ Bucket: "b", Delete: { Objects: [{ Key: "k" }] } }));
  expect(received!.body.toString()).toContain("<Key>k</Key>");
  expect(Object.keys(received!.sums.checksums)).toEqual(["CRC32"]);
});

test("a multipart upload of a stream is verified part for part", async () => {
  const body = Buffer.alloc(6 * 1024 * 1024, "part");
  const params = { Bucket: "b", Key: "k", Body: Readable.from([body]) };
  const parts: string[] = [];
  const upload = new Upload({ client: client(), params, partSize: 5 * 1024 * 1024, queueSize: 1 });
  upload.on("httpUploadProgress", () => parts.push(received!.sums.md5Hex));
  await upload.done();
  expect(parts[0]).toBe(Bun.CryptoHasher.hash("md5", body.subarray(0, 5 * 1024 * 1024), "hex"));
  expect(received!.body.toString()).toContain("CompleteMultipartUpload");
});

test("a wrong secret is refused with SignatureDoesNotMatch", async () => {
  const credentials = { ...EXAMPLE, secretAccessKey: "wrong" };
  const sent = put({ Body: "x" }, { credentials });
  expect(await sent.catch((error: Error) => error.name)).toBe("SignatureDoesNotMatch");
});

test("the SDK's other regions are told the right one", async () => {
  const sent = put({ Body: "x" }, { region: "us-west-2" });
  expect(await sent.catch((error: Error) => error.name)).toBe("AuthorizationHeaderMalformed");
  expect((await put({ Body: "x" }, { region: "us-east-1" })).body.toString()).toBe("x");
});

test("presigned GET and PUT work, moved headers are seen, and a changed URL is refused", async () => {
  const get = await getSignedUrl(client(), new GetObjectCommand({ Bucket: "b", Key: "a b+c" }), {
    expiresIn: 60,
  });
  expect((await fetch(get)).status).toBe(200);
  expect(received!.authenticated.target.key).toBe("a b+c");

  // The SDK wrote the checksum of an empty body into this URL, as it knows of none yet.
  const putObject = new PutObjectCommand({
    Bucket: "b",
    Key: "k",
    Metadata: { colour: "blau é" },
    ACL: "private",
  });
  const url = await getSignedUrl(client(), putObject);
  expect(url).toContain("x-amz-checksum-crc32=AAAAAA%3D%3D");
  expect((await fetch(url, { method: "PUT", body: "hello" })).status).toBe(200);
  expect(received!.body.toString()).toBe("hello");
  expect(received!.authenticated.headers.get("x-amz-acl")).toBe("private");
  expect(received!.authenticated.headers.get("x-amz-meta-colour")).toBe(
    Buffer.from("blau é").toString("latin1"),
  );

  const more = await fetch(url.replace("x-amz-acl=private", "x-amz-acl=public-read"), {
    method: "PUT",
    body: "x",
  });
  expect(more.status).toBe(403);
  const header = { "x-amz-acl": "public-read" };
  expect((await fetch(url, { method: "PUT", body: "x", headers: header })).status).toBe(403);
});
