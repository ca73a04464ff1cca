import { beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { StorageError } from "../../../chunkd/client/errors.ts";
import { ProtocolError, RemoteError } from "../../../chunkd/protocol/errors.ts";
import { S3Double, type Sent, type User } from "../testing/s3-double.ts";

let s3: S3Double;
beforeEach(async () => {
  s3 = await S3Double.withBuckets();
});

const alice = { as: "alice" } as const;

async function put(path: string, body: string, sent: Sent = {}): Promise<string> {
  const answer = await s3.send("PUT", path, { ...alice, ...sent, body });
  expect([answer.status, answer.code]).toEqual([200, undefined]);
  return answer.headers.etag!;
}

function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}

describe("an operation that is not built", () => {
  const BUCKET_SUBRESOURCES =
    "acl accelerate analytics cors encryption intelligent-tiering inventory lifecycle logging metadataTable metrics notification object-lock ownershipControls policy publicAccessBlock replication requestPayment tagging versioning website";
  const OBJECT_SUBRESOURCES =
    "acl tagging retention legal-hold torrent restore select renameObject encryption policy versioning partNumber";

  test.each(OBJECT_SUBRESOURCES.split(" "))("never touches the object: PUT and DELETE ?%s", async (name) => {
    await put("/alices/key", "original");
    for (const method of ["PUT", "DELETE"]) {
      for (const query of [name, `${name}=`, `${name}=1`, `x-id=PutObject&${name}`]) {
        const answer = await s3.send(method, "/alices/key", { ...alice, query, body: "<x/>" });
        expect([answer.status, answer.code]).toEqual([501, "NotImplemented"]);
      }
    }
    expect((await s3.send("GET", "/alices/key", alice)).text).toBe("original");
  });

  test.each(BUCKET_SUBRESOURCES.split(" "))("never makes or deletes the bucket: ?%s", async (name) => {
    for (const method of ["PUT", "DELETE"]) {
      const answer = await s3.send(method, "/alices", { ...alice, query: name, body: "<x/>" });
      expect([answer.status, answer.code]).toEqual([501, "NotImplemented"]);
    }
    expect((await s3.send("HEAD", "/alices", alice)).status).toBe(200);
  });

  test.each([
    ["GET", "/alices/key", "torrent"],
    ["GET", "/alices/key", "v=1&torrent"],
    ["HEAD", "/alices/key", "acl"],
    ["GET", "/alices", "analytics"],
    ["GET", "/alices", "list-type=2&inventory"],
    ["GET", "/", "acl"],
    ["POST", "/alices/key", "restore"],
    ["POST", "/alices/key", "select&select-type=2"],
  ])("is NotImplemented: %s %s?%s", async (method, path, query) => {
    await put("/alices/key", "original");
    const answer = await s3.send(method, path, { ...alice, query });
    expect(answer.status).toBe(501);
    if (method !== "HEAD") expect(answer.code).toBe("NotImplemented");
  });

  test.each(["v=1", "x-id=GetObject", "response-foo=bar", "someday", "ACL", "utm_source=a&b=&c", "prefix=k"])(
    "is not asked for by a parameter that is no subresource: ?%s",
    async (query) => {
      expect((await s3.send("PUT", "/alices/key", { ...alice, query, body: "content" })).status).toBe(200);
      expect((await s3.send("GET", "/alices/key", { ...alice, query })).text).toBe("content");
      expect((await s3.send("HEAD", "/alices/key", { ...alice, query })).status).toBe(200);
      expect((await s3.send("GET", "/alices", { ...alice, query })).text).toContain("<Key>key</Key>");
      expect((await s3.send("DELETE", "/alices/key", { ...alice, query })).status).toBe(204);
      expect((await s3.send("GET", "/alices/key", alice)).code).toBe("NoSuchKey");
    },
  );

  test.each([
    ["POST", "/"],
    ["PUT", "/"],
    ["POST", "/alices"],
    ["POST", "/alices/key"],
    ["PATCH", "/alices/key"],
    ["OPTIONS", "/alices/key"],
  ])("is MethodNotAllowed where the method means nothing: %s %s", async (method, path) => {
    const answer = await s3.send(method, path, alice);
    expect([answer.status, answer.code]).toEqual([405, "MethodNotAllowed"]);
  });

  test.each([
    ["x-amz-server-side-encryption", "AES256", "NotImplemented"],
    ["x-amz-server-side-encryption-customer-algorithm", "AES256", "NotImplemented"],
    ["x-amz-object-lock-mode", "COMPLIANCE", "NotImplemented"],
    ["x-amz-tagging", "a=b", "NotImplemented"],
    ["x-amz-website-redirect-location", "/", "NotImplemented"],
    ["x-amz-grant-read", "id=1", "NotImplemented"],
    ["x-amz-write-offset-bytes", "1", "NotImplemented"],
    ["x-amz-acl", "public-read", "AccessControlListNotSupported"],
    ["x-amz-storage-class", "GLACIER", "InvalidStorageClass"],
  ])("is refused when a header asks for it: %s: %s", async (name, value, code) => {
    const answer = await s3.send("PUT", "/alices/key", { ...alice, headers: { [name]: value }, body: "x" });
    expect(answer.code).toBe(code);
    expect((await s3.send("GET", "/alices/key", alice)).code).toBe("NoSuchKey");
  });

  test.each(["private", "bucket-owner-full-control", ""])("is no matter for the ACL '%s'", async (acl) => {
    const answer = await s3.send("PUT", "/alices/key", {
      ...alice,
      headers: { "x-amz-acl": acl },
      body: "x",
    });
    expect(answer.status).toBe(200);
  });

  test("is no matter where the header asks for what is so anyway", async () => {
    const headers = {
      "x-amz-storage-class": "STANDARD",
      "x-amz-bucket-object-lock-enabled": "false",
    };
    await put("/alices/key", "x", { headers });
  });
});

describe("who may do what", () => {
  const OPERATIONS: [method: string, path: string, query: string][] = [
    ["GET", "/alices", ""],
    ["GET", "/alices", "list-type=2"],
    ["GET", "/alices", "location"],
    ["GET", "/alices", "acl"],
    ["GET", "/alices", "uploads"],
    ["GET", "/alices", "versions"],
    ["HEAD", "/alices", ""],
    ["DELETE", "/alices", ""],
    ["GET", "/alices/key", ""],
    ["GET", "/alices/key", "acl"],
    ["GET", "/alices/key", "attributes"],
    ["GET", "/alices/key", "uploadId=u"],
    ["HEAD", "/alices/key", ""],
    ["PUT", "/alices/key", ""],
    ["PUT", "/alices/key", "partNumber=1&uploadId=u"],
    ["POST", "/alices/key", "uploads"],
    ["POST", "/alices/key", "uploadId=u"],
    ["DELETE", "/alices/key", ""],
    ["DELETE", "/alices/key", "uploadId=u"],
  ];

  test.each(OPERATIONS)("another user and strangers are refused: %s %s?%s", async (method, path, query) => {
    await put("/alices/key", "private");
    for (const as of ["bob", undefined] as (User | undefined)[]) {
      const answer = await s3.send(method, path, {
        as,
        query: query || undefined,
        body: method === "PUT" ? "x" : undefined,
      });
      expect(answer.status).toBe(403);
      if (method !== "HEAD") expect(answer.code).toBe("AccessDenied");
    }
    expect((await s3.send("GET", "/alices/key", alice)).text).toBe("private");
  });

  test("of the objects that are to be deleted, each is decided by itself", async () => {
    await put("/alices/key", "private");
    const body = "<Delete><Object><Key>key</Key></Object></Delete>";
    const headers = { "content-md5": createHash("md5").update(body).digest("base64") };
    const asked = { query: "delete", body, headers };
    expect((await s3.send("POST", "/alices", { ...asked, as: "bob" })).code).toBe("AccessDenied");
    expect((await s3.send("POST", "/alices", asked)).code).toBe("AccessDenied");
    expect((await s3.send("GET", "/alices/key", alice)).text).toBe("private");
  });

  test("S10: strangers are not told whether a bucket is there or what is built", async () => {
    for (const [path, query] of [["/nobodys-bucket"], ["/alices", "inventory"], ["/"]] as const) {
      expect((await s3.send("GET", path, { query })).code).toBe("AccessDenied");
    }
  });

  test("a user sees own buckets, an administrator all", async () => {
    const names = async (as: User) =>
      [...(await s3.send("GET", "/", { as })).text.matchAll(/<Name>(.*?)</g)].map((match) => match[1]);
    expect(await names("alice")).toEqual(["alices"]);
    expect(await names("root")).toEqual(["alices", "bobs"]);
  });

  test("the source of a copy must be readable to who copies (S07)", async () => {
    await put("/alices/secret", "secret");
    const headers = { "x-amz-copy-source": "/alices/secret" };
    for (const query of [undefined, "partNumber=1&uploadId=u"]) {
      expect((await s3.send("PUT", "/bobs/stolen", { as: "bob", query, headers })).code).toBe("AccessDenied");
    }
    expect((await s3.send("GET", "/bobs/stolen", { as: "bob" })).code).toBe("NoSuchKey");
    expect((await s3.send("PUT", "/bobs/copy", { as: "root", headers })).status).toBe(200);
  });

  test("an expected owner that is not the owner is refused", async () => {
    const request = (owner: string) =>
      s3.send("GET", "/alices", { ...alice, headers: { "x-amz-expected-bucket-owner": owner } });
    expect((await request("id-alice")).status).toBe(200);
    expect((await request("id-bob")).code).toBe("AccessDenied");
  });

  test("a bucket that was deleted and made by another is the other's at once", async () => {
    expect((await s3.send("GET", "/alices", alice)).status).toBe(200);
    expect((await s3.send("DELETE", "/alices", alice)).status).toBe(204);
    expect((await s3.send("PUT", "/alices", { as: "bob" })).status).toBe(200);
    expect((await s3.send("GET", "/alices", alice)).code).toBe("AccessDenied");
  });
});

describe("reading", () => {
  test("one call to the master gives an object", async () => {
    await put("/alices/key", "body");
    s3.master.calls.clear();
    await s3.send("GET", "/alices/key", alice);
    expect(Object.fromEntries(s3.master.calls)).toEqual({ getObject: 1 });
  });

  test("headers come back as they were put, aws-chunked aside", async () => {
    const headers = {
      "content-type": "text/x; charset=utf-8",
      "cache-control": "max-age=1",
      "content-disposition": "attachment",
      "content-encoding": "aws-chunked,gzip",
      "content-language": "de",
      expires: "Thu, 01 Dec 1994 16:00:00 GMT",
      "x-amz-meta-__proto__": "gr=?UTF-8?Q?=C3=BC?=n",
    };
    const etag = await put("/alices/key", "body", { headers });
    const { status, headers: got, text } = await s3.send("GET", "/alices/key", alice);
    expect([status, text, etag]).toEqual([200, "body", `"${md5("body")}"`]);
    expect(got).toMatchObject({
      ...headers,
      "content-encoding": "gzip",
      "x-amz-meta-__proto__": expect.anything(),
    });
    expect(got).toMatchObject({ etag, "content-length": "4", "accept-ranges": "bytes" });
    expect(got["x-amz-checksum-crc32"]).toBeUndefined();
    expect(Date.parse(got["last-modified"]!)).not.toBeNaN();
  });

  test("the default content type is S3's", async () => {
    await put("/alices/key", "body");
    expect((await s3.send("HEAD", "/alices/key", alice)).headers["content-type"]).toBe("binary/octet-stream");
  });

  test("HEAD has GET's headers and no body", async () => {
    await put("/alices/key", "body");
    const get = await s3.send("GET", "/alices/key", alice);
    const head = await s3.send("HEAD", "/alices/key", alice);
    expect([head.status, head.text, head.headers]).toEqual([200, "", get.headers]);
    const missing = await s3.send("HEAD", "/alices/none", alice);
    expect([missing.status, missing.text]).toEqual([404, ""]);
  });

  test("a range is 206 with its place, without the whole's checksums", async () => {
    await put("/alices/key", "0123456789");
    const headers = { range: "bytes=2-4", "x-amz-checksum-mode": "ENABLED" };
    const answer = await s3.send("GET", "/alices/key", { ...alice, headers });
    expect([answer.status, answer.text]).toEqual([206, "234"]);
    expect(answer.headers).toMatchObject({ "content-range": "bytes 2-4/10", "content-length": "3" });
    expect(answer.headers["x-amz-checksum-crc32"]).toBeUndefined();
    const whole = await s3.send("GET", "/alices/key", {
      ...alice,
      headers: { "x-amz-checksum-mode": "ENABLED" },
    });
    const crc = Buffer.alloc(4);
    crc.writeUInt32BE(Bun.hash.crc32("0123456789"));
    expect(whole.headers["x-amz-checksum-crc32"]).toBe(crc.toString("base64"));
    expect(whole.headers["x-amz-checksum-type"]).toBe("FULL_OBJECT");
  });

  test("a range behind the end is 416 and tells the size", async () => {
    await put("/alices/key", "0123456789");
    const answer = await s3.send("GET", "/alices/key", { ...alice, headers: { range: "bytes=10-" } });
    expect([answer.status, answer.code]).toEqual([416, "InvalidRange"]);
    expect(answer.headers["content-range"]).toBe("bytes */10");
  });

  test("If-Range of another version gives the whole", async () => {
    await put("/alices/key", "0123456789");
    const headers = { range: "bytes=2-4", "if-range": '"other"' };
    const answer = await s3.send("GET", "/alices/key", { ...alice, headers });
    expect([answer.status, answer.text]).toEqual([200, "0123456789"]);
  });

  test("304 keeps the ETag and has no body; 412 is an error", async () => {
    const etag = await put("/alices/key", "body");
    const fresh = await s3.send("GET", "/alices/key", { ...alice, headers: { "if-none-match": etag } });
    expect([fresh.status, fresh.text, fresh.headers.etag]).toEqual([304, "", etag]);
    expect(fresh.headers["content-length"]).toBeUndefined();
    const failed = await s3.send("GET", "/alices/key", { ...alice, headers: { "if-match": '"x"' } });
    expect([failed.status, failed.code]).toEqual([412, "PreconditionFailed"]);
  });

  test("response-* parameters choose the headers, whatever characters they have", async () => {
    await put("/alices/key", "body");
    const value = encodeURIComponent('attachment; filename="ü 1.txt"');
    const query = `response-content-disposition=${value}&response-content-type=text%2Fhtml`;
    const { headers } = await s3.send("GET", "/alices/key", { ...alice, query });
    expect(headers["content-type"]).toBe("text/html");
    expect(Buffer.from(headers["content-disposition"]!, "latin1").toString()).toBe(
      'attachment; filename="ü 1.txt"',
    );
    const injected = await s3.send("GET", "/alices/key", {
      ...alice,
      query: "response-content-type=a%0D%0Aset-cookie:x",
    });
    expect(injected.code).toBe("InvalidArgument");
  });

  test("S22: a stored page runs in an origin of its own, whoever calls it one, and nothing else is taken for a page", async () => {
    const csp = "content-security-policy";
    for (const type of ["text/html", "TEXT/HTML; charset=utf-8", "image/svg+xml", "application/xhtml+xml"]) {
      await put("/alices/page", "<script>alert(1)</script>", { headers: { "content-type": type } });
      const { headers } = await s3.send("GET", "/alices/page", alice);
      expect(headers).toMatchObject({ "content-type": type, "x-content-type-options": "nosniff" });
      expect(headers[csp]).toStartWith("sandbox ");
      expect(headers[csp]).not.toContain("allow-same-origin");
    }
    await put("/alices/page", "<script>alert(1)</script>", { headers: { "content-type": "text/plain" } });
    const plain = await s3.send("GET", "/alices/page", alice);
    expect([plain.headers["x-content-type-options"], plain.headers[csp]]).toEqual(["nosniff", undefined]);
    const query = "response-content-type=text%2Fhtml";
    const called = await s3.send("GET", "/alices/page", { ...alice, query });
    expect(called.headers[csp]).toStartWith("sandbox ");
  });

  test("an object of no bytes has no extents, and no range", async () => {
    await put("/alices/empty", "");
    expect(s3.chunks.bytes.size).toBe(0);
    const answer = await s3.send("GET", "/alices/empty", alice);
    expect([answer.status, answer.text, answer.headers["content-length"]]).toEqual([200, "", "0"]);
    const range = await s3.send("GET", "/alices/empty", { ...alice, headers: { range: "bytes=0-" } });
    expect(range.status).toBe(416);
  });

  test("a part of an object that was put whole is the object", async () => {
    await put("/alices/key", "body");
    const first = await s3.send("GET", "/alices/key", { ...alice, query: "partNumber=1" });
    expect([first.status, first.text, first.headers["content-range"]]).toEqual([206, "body", "bytes 0-3/4"]);
    expect((await s3.send("GET", "/alices/key", { ...alice, query: "partNumber=2" })).status).toBe(416);
    expect((await s3.send("GET", "/alices/key", { ...alice, query: "partNumber=0" })).code).toBe(
      "InvalidArgument",
    );
  });

  test("only the null version is there", async () => {
    await put("/alices/key", "body");
    expect((await s3.send("GET", "/alices/key", { ...alice, query: "versionId=null" })).text).toBe("body");
    for (const method of ["GET", "DELETE"]) {
      const answer = await s3.send(method, "/alices/key", { ...alice, query: "versionId=abc" });
      expect([answer.status, answer.code]).toEqual([404, "NoSuchVersion"]);
    }
    expect((await s3.send("GET", "/alices/key", alice)).text).toBe("body");
  });
});

describe("writing", () => {
  test("keys of 1,024 bytes fit and of 1,025 do not, counted in UTF-8", async () => {
    await put(`/alices/${"k".repeat(1024)}`, "x");
    await put(`/alices/${encodeURIComponent("ü".repeat(512))}`, "x");
    for (const key of ["k".repeat(1025), encodeURIComponent(`${"ü".repeat(512)}k`)]) {
      expect((await s3.send("PUT", `/alices/${key}`, { ...alice, body: "x" })).code).toBe("KeyTooLongError");
    }
  });

  test("metadata over 2 KiB is MetadataTooLarge and nothing is stored", async () => {
    const headers = { "x-amz-meta-a": "v".repeat(2048) };
    expect((await s3.send("PUT", "/alices/key", { ...alice, headers, body: "x" })).code).toBe(
      "MetadataTooLarge",
    );
    expect(s3.chunks.bytes.size).toBe(0);
  });

  test("a body without a length is 411, one of more than 5 GiB EntityTooLarge, before it is read", async () => {
    const chunked = await s3.send("PUT", "/alices/key", {
      ...alice,
      headers: { "transfer-encoding": "chunked" },
    });
    expect([chunked.status, chunked.code]).toEqual([411, "MissingContentLength"]);
    const large = await s3.send("PUT", "/alices/key", {
      ...alice,
      headers: { "content-length": String(5 * 2 ** 30 + 1) },
      body: "x",
    });
    expect([large.status, large.code]).toEqual([400, "EntityTooLarge"]);
  });

  test("a digest that is not the body's is BadDigest and the old object stays", async () => {
    await put("/alices/key", "old");
    const headers = { "content-md5": createHash("md5").update("other").digest("base64") };
    expect((await s3.send("PUT", "/alices/key", { ...alice, headers, body: "new" })).code).toBe("BadDigest");
    expect((await s3.send("GET", "/alices/key", alice)).text).toBe("old");
  });

  test("If-None-Match: * creates once; If-Match replaces only what it names", async () => {
    const create = { "if-none-match": "*" };
    const etag = await put("/alices/key", "one", { headers: create });
    const again = await s3.send("PUT", "/alices/key", { ...alice, headers: create, body: "two" });
    expect([again.status, again.code]).toEqual([412, "PreconditionFailed"]);
    await put("/alices/key", "three", { headers: { "if-match": etag } });
    const stale = await s3.send("PUT", "/alices/key", {
      ...alice,
      headers: { "if-match": etag },
      body: "four",
    });
    expect(stale.code).toBe("PreconditionFailed");
    const missing = await s3.send("PUT", "/alices/none", {
      ...alice,
      headers: { "if-match": etag },
      body: "x",
    });
    expect([missing.status, missing.code]).toEqual([404, "NoSuchKey"]);
    expect((await s3.send("GET", "/alices/key", alice)).text).toBe("three");
  });

  test("DELETE takes If-Match, and a missing key is deleted just as well", async () => {
    const etag = await put("/alices/key", "one");
    const other = await s3.send("DELETE", "/alices/key", { ...alice, headers: { "if-match": '"x"' } });
    expect(other.code).toBe("PreconditionFailed");
    expect((await s3.send("DELETE", "/alices/key", { ...alice, headers: { "if-match": etag } })).status).toBe(
      204,
    );
    expect((await s3.send("DELETE", "/alices/key", alice)).status).toBe(204);
  });

  test("a bucket in another region's name is refused, in this one's made", async () => {
    const body = (region: string) =>
      `<CreateBucketConfiguration><LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`;
    const wrong = await s3.send("PUT", "/new-bucket", { ...alice, body: body("mars-1") });
    expect(wrong.code).toBe("IllegalLocationConstraintException");
    expect((await s3.send("PUT", "/new-bucket", { ...alice, body: body("eu-test-1") })).status).toBe(200);
    expect((await s3.send("PUT", "/new-bucket", alice)).code).toBe("BucketAlreadyOwnedByYou");
    expect((await s3.send("PUT", "/new-bucket", { as: "bob" })).code).toBe("BucketAlreadyExists");
  });
});

describe("CopyObject", () => {
  const from = { "x-amz-copy-source": "alices/source" };

  test("keeps or replaces metadata, and the checksums either way", async () => {
    await put("/alices/source", "body", { headers: { "x-amz-meta-a": "1", "content-type": "text/a" } });
    await s3.send("PUT", "/alices/kept", { ...alice, headers: from });
    const replacing = {
      ...from,
      "x-amz-metadata-directive": "REPLACE",
      "x-amz-meta-b": "2",
      "content-type": "text/b",
    };
    const copied = await s3.send("PUT", "/alices/replaced", { ...alice, headers: replacing });
    expect(copied.text).toContain(`<ETag>&quot;${md5("body")}&quot;</ETag>`);
    const head = async (key: string) =>
      (await s3.send("HEAD", `/alices/${key}`, { ...alice, headers: { "x-amz-checksum-mode": "ENABLED" } }))
        .headers;
    const [source, kept, replaced] = [await head("source"), await head("kept"), await head("replaced")];
    expect(kept).toMatchObject({ "x-amz-meta-a": "1", "content-type": "text/a" });
    expect(replaced).toMatchObject({ "x-amz-meta-b": "2", "content-type": "text/b" });
    expect(replaced["x-amz-meta-a"]).toBeUndefined();
    for (const copy of [kept, replaced])
      expect(copy["x-amz-checksum-crc32"]).toBe(source["x-amz-checksum-crc32"]!);
  });

  test("onto itself is refused unless the metadata is replaced", async () => {
    await put("/alices/source", "body");
    const same = await s3.send("PUT", "/alices/source", { ...alice, headers: from });
    expect([same.status, same.code]).toEqual([400, "InvalidRequest"]);
    const headers = { ...from, "x-amz-metadata-directive": "REPLACE", "x-amz-meta-a": "1" };
    expect((await s3.send("PUT", "/alices/source", { ...alice, headers })).status).toBe(200);
  });

  test.each([
    ["x-amz-storage-class", "STANDARD"],
    ["x-amz-checksum-algorithm", "SHA256"],
  ])("onto itself is done where %s is named, the metadata stays", async (name, value) => {
    await put("/alices/source", "body", { headers: { "x-amz-meta-a": "1" } });
    const same = await s3.send("PUT", "/alices/source", { ...alice, headers: { ...from, [name]: value } });
    expect(same.status).toBe(200);
    expect((await s3.send("GET", "/alices/source", alice)).headers["x-amz-meta-a"]).toBe("1");
  });

  test("gives the copy a checksum of the algorithm that it names", async () => {
    await put("/alices/source", "body");
    const summing = { ...from, "x-amz-checksum-algorithm": "SHA256" };
    const copied = await s3.send("PUT", "/alices/copy", { ...alice, headers: summing });
    const sha256 = new Bun.CryptoHasher("sha256").update("body").digest("base64");
    expect(copied.text).toContain(`<ChecksumSHA256>${sha256}</ChecksumSHA256><ChecksumType>FULL_OBJECT`);
    const headers = { "x-amz-checksum-mode": "ENABLED" };
    const copy = await s3.send("GET", "/alices/copy", { ...alice, headers });
    expect(copy.text).toBe("body");
    expect(copy.headers["x-amz-checksum-sha256"]).toBe(sha256);
    expect(copy.headers["x-amz-checksum-crc32"]).toBeUndefined();
    const unknown = { ...from, "x-amz-checksum-algorithm": "MD4" };
    expect((await s3.send("PUT", "/alices/copy", { ...alice, headers: unknown })).code).toBe(
      "InvalidRequest",
    );
  });

  test.each([
    ["x-amz-copy-source-if-match", '"x"'],
    ["x-amz-copy-source-if-none-match", "ETAG"],
    ["x-amz-copy-source-if-unmodified-since", "Fri, 02 Jan 1998 03:04:05 GMT"],
    ["x-amz-copy-source-if-modified-since", "Fri, 02 Jan 2099 03:04:05 GMT"],
  ])("is 412 under %s: %s", async (name, value) => {
    const etag = await put("/alices/source", "body");
    const headers = { ...from, [name]: value.replace("ETAG", etag) };
    expect((await s3.send("PUT", "/alices/copy", { ...alice, headers })).code).toBe("PreconditionFailed");
    expect((await s3.send("GET", "/alices/copy", alice)).code).toBe("NoSuchKey");
  });

  test("of what is not there says which", async () => {
    const copy = async (source: string) =>
      (await s3.send("PUT", "/alices/copy", { ...alice, headers: { "x-amz-copy-source": source } })).code;
    expect(await copy("alices/none")).toBe("NoSuchKey");
    expect(await copy("no-such-bucket/key")).toBe("NoSuchBucket");
  });
});

describe("DeleteObjects", () => {
  const digest = (body: string) => ({ "content-md5": createHash("md5").update(body).digest("base64") });
  const request = (body: string, headers: Record<string, string> = digest(body)) =>
    s3.send("POST", "/alices", { ...alice, query: "delete", headers, body });

  beforeEach(() => {
    s3.master.errors.clear();
  });

  test("is refused without a digest, without a body, and with more than 1,000 keys", async () => {
    const body = "<Delete><Object><Key>a</Key></Object></Delete>";
    expect((await request(body, {})).code).toBe("InvalidRequest");
    expect((await request("")).code).toBe("MissingRequestBodyError");
    expect((await request(`<Delete>${"<Object><Key>a</Key></Object>".repeat(1001)}</Delete>`)).code).toBe(
      "MalformedXML",
    );
    expect((await request("<Delete></Delete>")).code).toBe("MalformedXML");
  });

  test("a body of more than 2 MiB is refused", async () => {
    const body = `<Delete><Object><Key>a</Key></Object><!--${"x".repeat(2 << 20)}--></Delete>`;
    expect((await request(body)).code).toBe("MaxMessageLengthExceeded");
  });
});

describe("failures of the engine", () => {
  const READ_FAILURES: [
    what: string,
    error: Error,
    status: number,
    code: string,
    retryAfter: string | undefined,
  ][] = [
    ["no replica answers", new StorageError("UNAVAILABLE", "no replica"), 503, "ServiceUnavailable", "1"],
    ["all replicas are damaged", new StorageError("CORRUPT", "damaged"), 500, "InternalError", undefined],
    ["a bug", new Error("secret internals"), 500, "InternalError", undefined],
  ];

  test.each(READ_FAILURES)(
    "before the first byte are an error answer: %s",
    async (_, error, status, code, retryAfter) => {
      await put("/alices/key", "body");
      s3.chunks.beforePiece = () => {
        throw error;
      };
      const answer = await s3.send("GET", "/alices/key", alice);
      expect([answer.status, answer.code, answer.headers["retry-after"]]).toEqual([status, code, retryAfter]);
      expect(answer.text).not.toContain(error.message);
      expect(JSON.stringify(s3.logged)).toContain(error.message);
    },
  );

  test.each([
    ["NOT_READY", new RemoteError("NOT_READY", "starting"), 503, "ServiceUnavailable"] as const,
    ["NO_SPACE", new RemoteError("NO_SPACE", "full"), 507, "InsufficientStorage"] as const,
    ["STALE_EXTENT", new RemoteError("STALE_EXTENT", "sealed"), 503, "ServiceUnavailable"] as const,
    [
      "NOT_ENOUGH_SERVERS",
      new RemoteError("NOT_ENOUGH_SERVERS", "one left"),
      503,
      "ServiceUnavailable",
    ] as const,
    ["NO_SUCH_BUCKET", new RemoteError("NO_SUCH_BUCKET", "gone"), 404, "NoSuchBucket"] as const,
    ["TIMEOUT", new ProtocolError("TIMEOUT", "no answer"), 503, "ServiceUnavailable"] as const,
    ["DISCONNECTED", new ProtocolError("DISCONNECTED", "gone"), 503, "ServiceUnavailable"] as const,
    ["OVERLOADED", new ProtocolError("OVERLOADED", "busy"), 503, "SlowDown"] as const,
    ["BAD_FRAME", new ProtocolError("BAD_FRAME", "bug"), 500, "InternalError"] as const,
  ])("at the commit: %s", async (_, error, status, code) => {
    s3.master.errors.set("commitObject", error);
    const answer = await s3.send("PUT", "/alices/key", { ...alice, body: "body" });
    expect([answer.status, answer.code]).toEqual([status, code]);
  });

  test("full disks are 507 on a write, while reads and deletes go on", async () => {
    await put("/alices/key", "body");
    s3.chunks.writeError = new StorageError("NO_SPACE", "disks are full");
    const answer = await s3.send("PUT", "/alices/other", { ...alice, body: "body" });
    expect([answer.status, answer.code]).toEqual([507, "InsufficientStorage"]);
    expect((await s3.send("GET", "/alices/key", alice)).text).toBe("body");
    expect((await s3.send("DELETE", "/alices/key", alice)).status).toBe(204);
  });

  test("S21: no query, and so no presigned signature, is logged", async () => {
    s3.master.errors.set("getBucket", new Error("boom"));
    await s3.send("GET", "/new-name", { ...alice, query: "prefix=hidden" });
    expect(JSON.stringify(s3.logged)).toContain("/new-name");
    expect(JSON.stringify(s3.logged)).not.toContain("hidden");
  });
});

test("E12: an error names what was asked for, the request, and is well-formed whatever the path", async () => {
  const answer = await s3.send("GET", "/alices/%3Ca%3E&b", alice);
  expect(answer.headers).toMatchObject({
    "content-type": "application/xml",
    "x-amz-request-id": "0000000000000001",
    "x-amz-id-2": expect.any(String),
  });
  expect(answer.text).toStartWith(
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>',
  );
  expect(answer.text).toContain(
    "<Key>&lt;a&gt;&amp;b</Key><Resource>/alices/%3Ca%3E&amp;b</Resource><RequestId>0000000000000001</RequestId>",
  );
  expect((await s3.send("GET", "/nowhere", alice)).text).toContain("<BucketName>nowhere</BucketName>");
});

test.each([
  ["policy", "NoSuchBucketPolicy"],
  ["policyStatus", "NoSuchBucketPolicy"],
  ["lifecycle", "NoSuchLifecycleConfiguration"],
  ["cors", "NoSuchCORSConfiguration"],
  ["tagging", "NoSuchTagSet"],
  ["encryption", "ServerSideEncryptionConfigurationNotFoundError"],
  ["object-lock", "ObjectLockConfigurationNotFoundError"],
  ["publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"],
  ["replication", "ReplicationConfigurationNotFoundError"],
  ["website", "NoSuchWebsiteConfiguration"],
])("what was never configured is 404: GET ?%s", async (query, code) => {
  const answer = await s3.send("GET", "/alices", { ...alice, query });
  expect([answer.status, answer.code]).toEqual([404, code]);
  expect((await s3.send("GET", "/no-such-bucket", { ...alice, query })).code).toBe("NoSuchBucket");
});

test.each([
  ["versioning", "<VersioningConfiguration xmlns=", "></VersioningConfiguration>"],
  ["location", "<LocationConstraint xmlns=", ">eu-test-1</LocationConstraint>"],
  ["acl", "<ID>id-alice</ID>", "<Permission>FULL_CONTROL</Permission>"],
  ["ownershipControls", "<ObjectOwnership>", "BucketOwnerEnforced"],
  ["requestPayment", "<Payer>", "BucketOwner"],
  ["accelerate", "<AccelerateConfiguration", "</AccelerateConfiguration>"],
  ["logging", "<BucketLoggingStatus", "</BucketLoggingStatus>"],
  ["notification", "<NotificationConfiguration", "</NotificationConfiguration>"],
])("what is always so is told: GET ?%s", async (query, first, second) => {
  const answer = await s3.send("GET", "/alices", { ...alice, query });
  expect(answer.status).toBe(200);
  expect(answer.text).toContain(first);
  expect(answer.text).toContain(second);
});

test.each([
  ["max-keys=-1"],
  ["max-keys=many"],
  ["encoding-type=base64"],
  ["list-type=2&continuation-token=!"],
  ["list-type=3"],
])("a listing with %s is InvalidArgument", async (query) => {
  const answer = await s3.send("GET", "/alices", { ...alice, query });
  expect([answer.status, answer.code]).toEqual([400, "InvalidArgument"]);
});
