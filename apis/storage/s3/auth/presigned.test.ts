import { expect, test } from "bun:test";
import { presign, type RequestToSign } from "./sign.ts";
import {
  check,
  EXAMPLE,
  EXAMPLE_NOW,
  EXAMPLE_REGION,
  refusal,
  requestOf,
} from "./testing/example-account.ts";

const PUT: RequestToSign = { method: "PUT", host: "h", rawPath: "/b/k" };

function url(seconds = 60, more: Partial<RequestToSign> = {}): string {
  return presign({ ...PUT, ...more }, seconds, EXAMPLE, EXAMPLE_REGION, EXAMPLE_NOW);
}

function sent(target: string, headers: Record<string, string> = {}, now?: number): string {
  return refusal(requestOf("PUT", target, { host: "h", ...headers }), now);
}

test("a presigned URL lives from 15 minutes before it was signed to its expiry", () => {
  expect(sent(url(), {}, EXAMPLE_NOW + 60_000)).toBe("accepted");
  expect(sent(url(), {}, EXAMPLE_NOW + 60_001)).toBe("403 AccessDenied");
  expect(sent(url(), {}, EXAMPLE_NOW - 15 * 60_000)).toBe("accepted");
  expect(sent(url(), {}, EXAMPLE_NOW - 15 * 60_000 - 1)).toBe("403 AccessDenied");
  expect(sent(url(604_800), {}, EXAMPLE_NOW + 604_800_000)).toBe("accepted");
});

for (const seconds of [0, -1, -604_800, 604_801, 1e12, 1.5, Number.NaN]) {
  test(`S04: a life of ${seconds} seconds is refused, though it is signed`, () => {
    expect(sent(url(seconds))).toBe("400 AuthorizationQueryParametersError");
  });
}

test("S04: authentication parameters given twice are refused, even with one value", () => {
  for (const name of [
    "X-Amz-Expires=60",
    "X-Amz-Credential=x",
    "X-Amz-Signature=x",
    "X-Amz-SignedHeaders=host",
  ]) {
    expect(sent(`${url()}&${name}`)).toBe("400 AuthorizationQueryParametersError");
    expect(sent(url().replace("?", `?${name}&`))).toBe("400 AuthorizationQueryParametersError");
  }
});

test("every parameter of authentication is required", () => {
  for (const name of ["Algorithm", "Credential", "Signature", "Date", "SignedHeaders", "Expires"]) {
    const without = url().replace(new RegExp(`X-Amz-${name}=[^&]*&?`), "");
    expect([name, sent(without)]).toEqual([name, "400 AuthorizationQueryParametersError"]);
  }
});

test("a longer life or a further parameter breaks the signature", () => {
  expect(sent(url().replace("X-Amz-Expires=60", "X-Amz-Expires=61"))).toBe("403 SignatureDoesNotMatch");
  expect(sent(`${url()}&versionId=1`)).toBe("403 SignatureDoesNotMatch");
  expect(refusal(requestOf("GET", url(), { host: "h" }))).toBe("403 SignatureDoesNotMatch");
});

test("headers that were signed must come along, and x-amz headers that were not must not", () => {
  const target = url(60, { headers: { "content-type": "text/plain", "x-amz-acl": "private" } });
  const headers = { "content-type": "text/plain", "x-amz-acl": "private" };
  expect(sent(target, headers)).toBe("accepted");
  expect(sent(target, { "content-type": "text/plain" })).toBe("403 SignatureDoesNotMatch");
  expect(sent(target, { ...headers, "content-type": "text/html" })).toBe("403 SignatureDoesNotMatch");
  expect(sent(url(), { "x-amz-acl": "public-read" })).toBe("403 AccessDenied");
  expect(sent(url(), { "content-type": "text/html" })).toBe("accepted");
});

test("x-amz headers that the signer moved into the query are headers of the request", () => {
  const target = url(60, { query: "x-amz-meta-a=1%20%C3%BC&X-Amz-Acl=private&partNumber=1" });
  const { headers, hoistedHeaders } = check(requestOf("PUT", target, { host: "h" }));
  expect(headers.get("x-amz-meta-a")).toBe("1 Ã¼");
  expect(headers.get("x-amz-acl")).toBe("private");
  expect([...hoistedHeaders].sort()).toEqual(["x-amz-acl", "x-amz-meta-a"]);
  expect(sent(url(60, { query: "x-amz-acl=private&X-Amz-Acl=public-read" }))).toBe(
    "400 AuthorizationQueryParametersError",
  );
});

test("a payload mode in the query is part of the URL", () => {
  const hash = "0".repeat(64);
  const target = url(60, { payloadHash: hash });
  expect(check(requestOf("PUT", target, { host: "h" })).payload).toEqual({ kind: "signed", sha256Hex: hash });
  const other = target.replace(`X-Amz-Content-Sha256=${hash}`, "X-Amz-Content-Sha256=UNSIGNED-PAYLOAD");
  expect(sent(other)).toBe("403 SignatureDoesNotMatch");
});
