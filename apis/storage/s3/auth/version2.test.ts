// The URLs were made by botocore 1.44 with the published example key, as of 2013-05-24 00:00:00 UTC and for 60 s.
import { expect, test } from "bun:test";
import { presign } from "./sign.ts";
import {
  check,
  EXAMPLE,
  EXAMPLE_NOW,
  EXAMPLE_REGION,
  refusal,
  requestOf,
} from "./testing/example-account.ts";

const HOST = "s3.amazonaws.com";
const OBJECT = url("/b/k%20%C3%BC/%2Ba", "s8S/wsGD2Z27NuP3TdSD/tpjhyo=");

function url(path: string, signature: string, query?: string): string {
  const parameters = new URLSearchParams({ Signature: signature, Expires: "1369353660" });
  const mark = query === undefined ? "?" : `?${query}&`;
  return `${path}${mark}AWSAccessKeyId=${EXAMPLE.accessKeyId}&${parameters}`;
}

function sent(target: string, headers: Record<string, string> = {}, now?: number, method = "GET"): string {
  return refusal(requestOf(method, target, { host: HOST, ...headers }), now);
}

test("a presigned GET names its object, and no other", () => {
  const { target, principal, accessKeyId, payload, signing } = check(
    requestOf("GET", OBJECT, { host: HOST }),
  );
  expect([target.bucket, target.key]).toEqual(["b", "k ü/+a"]);
  expect([principal.name, accessKeyId]).toEqual(["example", EXAMPLE.accessKeyId]);
  expect([payload, signing]).toEqual([{ kind: "unsigned" }, undefined]);
  expect(sent(OBJECT.replace("/b/", "/c/"))).toBe("403 SignatureDoesNotMatch");
  expect(sent(OBJECT.replace("%2Ba", "%2Bb"))).toBe("403 SignatureDoesNotMatch");
  expect(sent(OBJECT, {}, undefined, "PUT")).toBe("403 SignatureDoesNotMatch");
  expect(sent(OBJECT, {}, undefined, "DELETE")).toBe("403 SignatureDoesNotMatch");
  expect(sent(OBJECT.replace("s8S", "s8T"))).toBe("403 SignatureDoesNotMatch");
  expect(sent(OBJECT.replace("EXAMPLE", "EXAMPLF"))).toBe("403 InvalidAccessKeyId");
});

test("a bucket in the host is signed like one in the path, and not taken for a part of the key", () => {
  const signed = url("/k/x", "WKoFrvvq79sVVAv5ELVitCxDx/M=");
  expect(sent(signed, { host: `b-b.${HOST}` })).toBe("accepted");
  expect(sent(signed, { host: `c-b.${HOST}` })).toBe("403 SignatureDoesNotMatch");
  const inPath = signed.replace("/k/x", "/b-b/k/x");
  expect(sent(inPath)).toBe("accepted");
  expect(sent(inPath, { host: `b-b.${HOST}` })).toBe("403 SignatureDoesNotMatch");
  const bucket = url("/", "rNnT5dB7nX+15nDQBclgVZqvw2k=");
  expect(sent(bucket, { host: `b-b.${HOST}` }, undefined, "HEAD")).toBe("accepted");
});

test("parameters are signed by their values; one that would not be signed is refused", () => {
  const query = "response-content-type=text%2Fplain%3B%20a&versionId=v1";
  const signed = url("/b/k", "MyXDJkbGE2+YMMymyrmDit9RIwE=", query);
  expect(sent(signed)).toBe("accepted");
  expect(sent(signed.replace("plain", "html"))).toBe("403 SignatureDoesNotMatch");
  expect(sent(signed.replace("versionId=v1", "versionId=v2"))).toBe("403 SignatureDoesNotMatch");
  expect(sent(`${OBJECT}&acl`)).toBe("403 SignatureDoesNotMatch");
  expect(sent(`${OBJECT}&attributes`)).toBe("403 AccessDenied");
  expect(sent(url("/b", "MiR06hbREk2DWR07pBWu89P0xaI=", "list-type=2&prefix=p&encoding-type=url"))).toBe(
    "403 AccessDenied",
  );
});

test("a part is one of its upload and number", () => {
  const signed = url("/b/k", "4KuxHD3GH1jQk+kYBi05/RerBaY=", "partNumber=1&uploadId=u");
  expect(sent(signed, {}, undefined, "PUT")).toBe("accepted");
  expect(sent(signed.replace("partNumber=1", "partNumber=2"), {}, undefined, "PUT")).toBe(
    "403 SignatureDoesNotMatch",
  );
});

test("the content type must come along, and x-amz headers are read from the query", () => {
  const query = "content-type=text%2Fplain&x-amz-meta-a=1%202";
  const signed = url("/b/k", "U/km5t7LqYssuOFMLWZfT78iGzI=", query);
  const type = { "content-type": "text/plain" };
  const { headers } = check(requestOf("PUT", signed, { host: HOST, ...type }));
  expect(headers.get("x-amz-meta-a")).toBe("1 2");
  const put = (headers: Record<string, string>, target = signed) => sent(target, headers, undefined, "PUT");
  expect(put({})).toBe("403 SignatureDoesNotMatch");
  expect(put({ "content-type": "text/html" })).toBe("403 SignatureDoesNotMatch");
  expect(put(type, signed.replace("x-amz-meta-a=1", "x-amz-meta-a=2"))).toBe("403 SignatureDoesNotMatch");
  expect(put({ ...type, "x-amz-acl": "private" })).toBe("403 SignatureDoesNotMatch");
  expect(put({ ...type, "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg==" })).toBe("403 SignatureDoesNotMatch");
});

test("headers are signed in the order of their names, and two of them are not one with a line break", () => {
  const signature = "tbINBeHk/6jcmgN4C8n23dWsMHU=";
  const put = (query: string) => sent(url("/b/k", signature, query), {}, undefined, "PUT");
  expect(put("x-amz-meta-a=1&x-amz-meta-a-b=2")).toBe("accepted");
  expect(put("x-amz-meta-a-b=2&x-amz-meta-a=1")).toBe("accepted");
  expect(put("x-amz-meta-a=1%0Ax-amz-meta-a-b:2")).toBe("403 AccessDenied");
});

test("S04: it lives to its end, a week at most, and a longer life breaks the signature", () => {
  const end = EXAMPLE_NOW + 60_000;
  expect(sent(OBJECT, {}, end)).toBe("accepted");
  expect(sent(OBJECT, {}, end + 1)).toBe("403 AccessDenied");
  expect(sent(OBJECT, {}, end - 604_800_000)).toBe("accepted");
  expect(sent(OBJECT, {}, end - 604_800_001)).toBe("403 AccessDenied");
  expect(sent(OBJECT.replace("1369353660", "1369353661"))).toBe("403 SignatureDoesNotMatch");
  for (const expires of ["", "-1", "x", "1369353660.5", "1e9"]) {
    expect([expires, sent(OBJECT.replace("1369353660", expires))]).toEqual([expires, "403 AccessDenied"]);
  }
});

test("S04: what proves it is there once, and is the only proof", () => {
  for (const name of ["AWSAccessKeyId", "Signature", "Expires"]) {
    expect(sent(OBJECT.replace(new RegExp(`${name}=[^&]*&?`), ""))).toBe("403 AccessDenied");
    expect(sent(`${OBJECT}&${name}=1`)).toBe("403 AccessDenied");
  }
  expect(sent(OBJECT, { authorization: "AWS4-HMAC-SHA256 Credential=x" })).toBe("400 InvalidArgument");
  const get = { method: "GET", host: HOST, rawPath: "/b/k" };
  const version4 = presign(get, 60, EXAMPLE, EXAMPLE_REGION, EXAMPLE_NOW);
  expect(sent(version4)).toBe("accepted");
  expect(sent(`${version4}&${OBJECT.split("?")[1]}`)).toBe("400 InvalidArgument");
});

test("it begins no chain of signed chunks", () => {
  const headers = { "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" };
  expect(sent(OBJECT, headers)).toBe("403 AccessDenied");
});

test("in the Authorization header version 2 is refused, with what to use instead", () => {
  const authorization = `AWS ${EXAMPLE.accessKeyId}:frJIUN8DYpKDtOLCwo//yllqDzg=`;
  expect(sent("/b/k", { authorization })).toBe("400 InvalidRequest");
});
