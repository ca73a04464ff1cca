// What a careless or hostile client sends to the real S3 port, byte by byte: the right error, and nothing stored.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { connect } from "node:net";
import {
  CreateBucketCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { presign, signRequest } from "../../apis/storage/s3/auth/sign.ts";
import { type Skerry, startSkerry } from "./skerry.ts";

const BUCKET = "strict";
const DAY_MS = 24 * 60 * 60 * 1000;

let cloud: Skerry;
let client: S3Client;
let host: string;

beforeAll(async () => {
  cloud = await startSkerry();
  client = cloud.client();
  host = new URL(cloud.credentials.s3.endpoint).host;
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: "ten", Body: "0123456789" }));
}, 180_000);

afterAll(async () => {
  await cloud?.[Symbol.asyncDispose]();
}, 60_000);

interface Call {
  method?: string;
  path: string;
  query?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** Changes the signed headers before they are sent. */
  spoil?(headers: Record<string, string>): void;
  now?: number;
  secretAccessKey?: string;
}

/** Sends exactly these bytes on a connection of its own; a `Content-Length` of the call's own is kept. */
async function send(call: Call): Promise<{ status: number; code: string; text: string }> {
  const { method = "GET", path, query = "", body = "" } = call;
  const { s3 } = cloud.credentials;
  const bytes = Buffer.from(body);
  const headers = signRequest(
    {
      method,
      host,
      rawPath: path,
      query,
      headers: call.headers ?? {},
      payloadHash: call.headers?.["x-amz-content-sha256"] ?? createHash("sha256").update(bytes).digest("hex"),
    },
    { accessKeyId: s3.accessKeyId, secretAccessKey: call.secretAccessKey ?? s3.secretAccessKey },
    s3.region,
    call.now ?? Date.now(),
  );
  headers["content-length"] ??= String(bytes.length);
  call.spoil?.(headers);
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const target = query ? `${path}?${query}` : path;
  return raw(
    Buffer.concat([
      Buffer.from(`${method} ${target} HTTP/1.1\r\n${head.join("")}connection: close\r\n\r\n`),
      bytes,
    ]),
  );
}

function raw(bytes: Buffer, endAfterMs?: number): Promise<{ status: number; code: string; text: string }> {
  const { port } = new URL(`http://${host}`);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), "127.0.0.1", () => {
      socket.write(bytes);
      if (endAfterMs !== undefined) setTimeout(() => socket.end(), endAfterMs);
    });
    let text = "";
    socket.on("data", (piece) => {
      text += piece.toString("latin1");
    });
    socket.on("error", reject);
    socket.on("close", () => {
      resolve({
        status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0),
        code: /<Code>([^<]+)<\/Code>/.exec(text)?.[1] ?? "",
        text,
      });
    });
  });
}

async function keys(): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: BUCKET }));
  return Contents.map(({ Key }) => Key!);
}

describe("who it is", () => {
  const cases: [string, Partial<Call>, number, string][] = [
    ["a wrong secret", { secretAccessKey: "x".repeat(40) }, 403, "SignatureDoesNotMatch"],
    ["a date 20 minutes in the future", { now: Date.now() + 20 * 60_000 }, 403, "RequestTimeTooSkewed"],
    ["a date of yesterday", { now: Date.now() - DAY_MS }, 403, "RequestTimeTooSkewed"],
    [
      "an unknown access key",
      {
        spoil: (h) => {
          h.authorization = h.authorization!.replace(/Credential=[^/]+/, "Credential=NOBODY");
        },
      },
      403,
      "InvalidAccessKeyId",
    ],
    [
      "no authorization",
      {
        spoil: (h) => {
          delete h.authorization;
        },
      },
      403,
      "AccessDenied",
    ],
    [
      "an x-amz header that is not signed",
      {
        spoil: (h) => {
          h["x-amz-meta-a"] = "1";
        },
      },
      403,
      "AccessDenied",
    ],
  ];
  for (const [name, call, status, code] of cases) {
    test(`${name} gets ${status} ${code}`, async () => {
      const answer = await send({ path: `/${BUCKET}/ten`, ...call });
      expect({ status: answer.status, code: answer.code }).toEqual({ status, code });
      expect(answer.text).not.toContain("0123456789");
    });
  }

  test("a presigned URL works, and is over when it expires", async () => {
    const { s3 } = cloud.credentials;
    const at = (now: number) =>
      presign({ method: "GET", host, rawPath: `/${BUCKET}/ten` }, 60, s3, s3.region, now);
    const fresh = await fetch(`http://${host}${at(Date.now())}`);
    expect(await fresh.text()).toBe("0123456789");
    const expired = await fetch(`http://${host}${at(Date.now() - 120_000)}`);
    expect(expired.status).toBe(403);
    expect(await expired.text()).toContain("<Code>AccessDenied</Code>");
  });
});

describe("what is sent", () => {
  const put = (call: Partial<Call>): Call => ({
    method: "PUT",
    path: `/${BUCKET}/refused`,
    body: "hello",
    ...call,
  });
  const cases: [string, Call, number, string][] = [
    [
      "a Content-MD5 of other bytes",
      put({ headers: { "content-md5": createHash("md5").update("x").digest("base64") } }),
      400,
      "BadDigest",
    ],
    ["a Content-MD5 that is none", put({ headers: { "content-md5": "abc" } }), 400, "InvalidDigest"],
    ["a wrong checksum", put({ headers: { "x-amz-checksum-crc32": "AAAAAA==" } }), 400, "BadDigest"],
    [
      "a body of another hash",
      put({ headers: { "x-amz-content-sha256": "0".repeat(64) } }),
      400,
      "XAmzContentSHA256Mismatch",
    ],
    ["a key of 1,025 bytes", put({ path: `/${BUCKET}/${"k".repeat(1025)}` }), 400, "KeyTooLongError"],
    ["an unknown bucket", put({ path: "/no-such-bucket-here/k" }), 404, "NoSuchBucket"],
    ["a bucket name in capitals", put({ path: "/BadName", body: "" }), 400, "InvalidBucketName"],
    ["a bucket name of two letters", put({ path: "/ab", body: "" }), 400, "InvalidBucketName"],
    [
      "malformed XML",
      {
        method: "POST",
        path: `/${BUCKET}`,
        query: "delete",
        body: "<Delete><Obj",
        headers: { "content-md5": createHash("md5").update("<Delete><Obj").digest("base64") },
      },
      400,
      "MalformedXML",
    ],
    [
      "an operation that is not built",
      { method: "PUT", path: `/${BUCKET}`, query: "policy", body: "{}" },
      501,
      "NotImplemented",
    ],
    [
      "a range behind the end",
      { path: `/${BUCKET}/ten`, headers: { range: "bytes=10-20" } },
      416,
      "InvalidRange",
    ],
    ["a part number of 0", put({ query: "partNumber=0&uploadId=x" }), 400, "InvalidArgument"],
    ["an unknown upload", put({ query: "partNumber=1&uploadId=nope" }), 404, "NoSuchUpload"],
  ];
  for (const [name, call, status, code] of cases) {
    test(`${name} gets ${status} ${code}`, async () => {
      const answer = await send(call);
      expect({ status: answer.status, code: answer.code }).toEqual({ status, code });
    });
  }

  test("a key with NUL is refused", async () => {
    const answer = await raw(
      Buffer.from(
        `PUT /${BUCKET}/a%00b HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
      ),
    );
    expect({ status: answer.status, code: answer.code }).toEqual({ status: 400, code: "InvalidURI" });
  });

  test("a body over 5 GiB is refused before it is sent", async () => {
    const answer = await send(
      put({
        headers: { "content-length": String(5 * 2 ** 30 + 1), "x-amz-content-sha256": "UNSIGNED-PAYLOAD" },
        body: "",
      }),
    );
    expect({ status: answer.status, code: answer.code }).toEqual({ status: 400, code: "EntityTooLarge" });
  });

  test("a body that ends early leaves nothing", async () => {
    const { s3 } = cloud.credentials;
    const headers = signRequest(
      { method: "PUT", host, rawPath: `/${BUCKET}/truncated`, headers: { "content-length": "1000" } },
      s3,
      s3.region,
      Date.now(),
    );
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    await raw(Buffer.from(`PUT /${BUCKET}/truncated HTTP/1.1\r\n${head.join("")}\r\nonly this`), 100).catch(
      () => {},
    );
    expect(await keys()).not.toContain("truncated");
  });

  test("after all of that the bucket holds what it held", async () => {
    expect(await keys()).toEqual(["ten"]);
  });
});
