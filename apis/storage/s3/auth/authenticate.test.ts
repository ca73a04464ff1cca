import { expect, test } from "bun:test";
import { type Authenticated, authenticate } from "./authenticate.ts";
import { S3AuthError } from "./errors.ts";
import { presign, type RequestToSign, signRequest } from "./sign.ts";
import {
  check,
  EMPTY_SHA256,
  EXAMPLE,
  EXAMPLE_NOW,
  EXAMPLE_REGION,
  exampleKeyring,
  refusal,
  requestOf,
  signedRequest,
} from "./testing/example-account.ts";

const MINUTE = 60_000;
const GET: RequestToSign = { method: "GET", host: "h", rawPath: "/b/k", payloadHash: EMPTY_SHA256 };
const MODES = [
  EMPTY_SHA256,
  "UNSIGNED-PAYLOAD",
  "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
  "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
  "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
];
const WRITES: [method: string, query: string][] = [
  ["PUT", ""],
  ["PUT", "partNumber=1&uploadId=u"],
  ["PUT", "tagging"],
  ["PUT", "acl"],
  ["POST", "uploads"],
  ["POST", "uploadId=u"],
  ["POST", "delete"],
  ["DELETE", ""],
];

function headersOf(
  request: RequestToSign,
  now = EXAMPLE_NOW,
  region = EXAMPLE_REGION,
): Record<string, string> {
  return signRequest(request, EXAMPLE, region, now);
}

function withQuery(rawPath: string, query: string): string {
  return query ? `${rawPath}?${query}` : rawPath;
}

for (const mode of MODES) {
  test(`S01: a valid key id with a garbage signature is refused for every write with ${mode}`, () => {
    for (const [method, query] of WRITES) {
      const headers = headersOf({ method, host: "h", rawPath: "/b/k", query, payloadHash: mode });
      const target = withQuery("/b/k", query);
      expect(refusal(requestOf(method, target, headers))).toBe("accepted");
      const garbage = headers.authorization!.replace(/[0-9a-f]{64}$/, "a".repeat(64));
      expect(refusal(requestOf(method, target, { ...headers, authorization: garbage }))).toBe(
        "403 SignatureDoesNotMatch",
      );
      const empty = headers.authorization!.replace(/[0-9a-f]{64}$/, "");
      expect(refusal(requestOf(method, target, { ...headers, authorization: empty }))).toBe(
        "400 AuthorizationHeaderMalformed",
      );
    }
  });

  test(`S01: credentials in the query without a signature are refused for every write with ${mode}`, () => {
    const credential = `X-Amz-Credential=${EXAMPLE.accessKeyId}%2F20130524%2Fus-east-1%2Fs3%2Faws4_request`;
    for (const [method, query] of WRITES) {
      for (const claim of [
        credential,
        `X-Amz-Algorithm=AWS4-HMAC-SHA256&${credential}`,
        "x-amz-signature=a",
      ]) {
        const target = withQuery("/b/k", query ? `${query}&${claim}` : claim);
        const headers = { host: "h", "x-amz-content-sha256": mode, "x-amz-date": "20130524T000000Z" };
        expect(refusal(requestOf(method, target, headers))).toBe("400 AuthorizationQueryParametersError");
      }
    }
  });

  test(`S02: an anonymous write with ${mode} is anonymous or refused`, () => {
    const request = requestOf("PUT", "/b/k", { host: "h", "x-amz-content-sha256": mode });
    if (mode.startsWith("STREAMING-AWS4")) {
      expect(refusal(request)).toBe("403 AccessDenied");
      return;
    }
    const authenticated = check(request);
    expect(authenticated.anonymous).toBe(true);
    expect(authenticated.principal).toEqual({ userId: "", name: "anonymous", admin: false });
    expect([authenticated.accessKeyId, authenticated.signing]).toEqual([undefined, undefined]);
  });
}

test("S01: credentials in both places are refused, though each alone is valid", () => {
  const target = presign(
    { method: "GET", host: "h", rawPath: "/b/k" },
    60,
    EXAMPLE,
    EXAMPLE_REGION,
    EXAMPLE_NOW,
  );
  const headers = headersOf(GET);
  expect(refusal(requestOf("GET", target, { host: "h" }))).toBe("accepted");
  expect(refusal(requestOf("GET", target, headers))).toBe("400 InvalidArgument");
  const version2 = "/b/k?AWSAccessKeyId=a&Signature=b&Expires=1";
  expect(refusal(requestOf("GET", version2, headers))).toBe("400 InvalidArgument");
});

test("a proof cannot be written down outside of authenticate", () => {
  const { target, payload, principal, headers, hoistedHeaders } = check(signedRequest(GET));
  const forged = {
    target,
    payload,
    principal,
    headers,
    hoistedHeaders,
    anonymous: false,
    accessKeyId: "x",
    signing: undefined,
  };
  // @ts-expect-error the brand is missing, and its symbol is not exported
  const taken: Authenticated = forged;
  expect(Object.getOwnPropertySymbols(taken)).toEqual([]);
});

test("signing keys and secrets do not show when a request is printed", () => {
  const authenticated = check(signedRequest(GET));
  const printed = Bun.inspect(authenticated, { depth: 10 }) + JSON.stringify(authenticated);
  expect(printed).not.toContain(EXAMPLE.secretAccessKey);
  expect(printed).not.toContain("signingKey");
});

test("S04: every part of what was signed is covered", () => {
  const request: RequestToSign = {
    ...GET,
    query: "a=1&b=2",
    headers: { "x-amz-meta-a": "v", range: "bytes=0-1" },
  };
  const headers = headersOf(request);
  const changed: [method: string, target: string, more: Record<string, string>][] = [
    ["PUT", "/b/k?a=1&b=2", {}],
    ["GET", "/b/k2?a=1&b=2", {}],
    ["GET", "/b//k?a=1&b=2", {}],
    ["GET", "/b/./k?a=1&b=2", {}],
    ["GET", "/b/%256B?a=1&b=2", {}],
    ["GET", "/b/k?a=1&b=3", {}],
    ["GET", "/b/k?a=1", {}],
    ["GET", "/b/k?a=1&b=2&c", {}],
    ["GET", "/b/k?a=1&b=2&b=2", {}],
    ["GET", "/b/k?a=1&b=2", { host: "other" }],
    ["GET", "/b/k?a=1&b=2", { range: "bytes=0-2" }],
    ["GET", "/b/k?a=1&b=2", { "x-amz-meta-a": "w" }],
    ["GET", "/b/k?a=1&b=2", { "x-amz-date": "20130524T000001Z" }],
    ["GET", "/b/k?a=1&b=2", { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" }],
  ];
  expect(refusal(requestOf("GET", "/b/k?a=1&b=2", headers))).toBe("accepted");
  for (const [method, target, more] of changed) {
    expect([target, more, refusal(requestOf(method, target, { ...headers, ...more }))]).toEqual([
      target,
      more,
      "403 SignatureDoesNotMatch",
    ]);
  }
});

test("S04: what means the same is accepted: query order, escapes, spaces around header values", () => {
  const headers = headersOf({
    ...GET,
    rawPath: "/b/a%20b(1)",
    query: "y=a%20b&x",
    headers: { "x-amz-meta-a": "v  w" },
  });
  for (const target of ["/b/a%20b%281%29?x=&y=a+b", "/%62/a%20b(1)?y=a%20b&x", "/b/a%20b(1)?x&y=%61%20b"]) {
    expect(refusal(requestOf("GET", target, { ...headers, "x-amz-meta-a": " v w " }))).toBe("accepted");
  }
});

/** Signs a hand-written canonical request, as foreign signers do. */
function foreignSignature(canonical: string): string {
  const hmac = (key: string | Uint8Array, text: string) =>
    new Bun.CryptoHasher("sha256", key).update(text).digest();
  const hash = Bun.CryptoHasher.hash("sha256", canonical, "hex");
  let key = hmac(`AWS4${EXAMPLE.secretAccessKey}`, "20130524");
  for (const part of ["us-east-1", "s3", "aws4_request"]) key = hmac(key, part);
  const text = `AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n${hash}`;
  return hmac(key, text).toString("hex");
}

const FOREIGN = {
  host: "h",
  "x-amz-content-sha256": EMPTY_SHA256,
  "x-amz-date": "20130524T000000Z",
};

function foreign(path: string, names: string[], canonicalHeaders: string): string {
  const canonical = `GET\n${path}\n\n${canonicalHeaders}\n${names.join(";")}\n${EMPTY_SHA256}`;
  const credential = `${EXAMPLE.accessKeyId}/20130524/us-east-1/s3/aws4_request`;
  return `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(";")}, Signature=${foreignSignature(canonical)}`;
}

const FOREIGN_LINES = `host:h\nx-amz-content-sha256:${EMPTY_SHA256}\nx-amz-date:20130524T000000Z\n`;

test("a signer that signs the path as it sends it is accepted, for that path alone", () => {
  const authorization = foreign("/b/a(1)=@", ["host", "x-amz-content-sha256", "x-amz-date"], FOREIGN_LINES);
  expect(refusal(requestOf("GET", "/b/a(1)=@", { ...FOREIGN, authorization }))).toBe("accepted");
  expect(refusal(requestOf("GET", "/b/a(2)=@", { ...FOREIGN, authorization }))).toBe(
    "403 SignatureDoesNotMatch",
  );
});

test("metadata sent twice is signed with a bare comma, but a copy source's comma is its own", () => {
  const names = ["host", "x-amz-content-sha256", "x-amz-date"];
  const meta = foreign("/b/k", [...names, "x-amz-meta-a"], `${FOREIGN_LINES}x-amz-meta-a:1,2\n`);
  expect(refusal(requestOf("GET", "/b/k", { ...FOREIGN, "x-amz-meta-a": "1, 2", authorization: meta }))).toBe(
    "accepted",
  );
  const copy = foreign(
    "/b/k",
    [names[0]!, names[1]!, "x-amz-copy-source", names[2]!],
    FOREIGN_LINES.replace("x-amz-date", "x-amz-copy-source:/b/1,2\nx-amz-date"),
  );
  const sent = (source: string) =>
    requestOf("GET", "/b/k", { ...FOREIGN, "x-amz-copy-source": source, authorization: copy });
  expect(refusal(sent("/b/1,2"))).toBe("accepted");
  expect(refusal(sent("/b/1, 2"))).toBe("403 SignatureDoesNotMatch");
});

test("metadata sent twice does not loosen the commas of other headers", () => {
  const names = ["host", "x-amz-content-sha256", "x-amz-copy-source", "x-amz-date", "x-amz-meta-a"];
  const lines = FOREIGN_LINES.replace("x-amz-date", "x-amz-copy-source:/b/1,2\nx-amz-date");
  const authorization = foreign("/b/k", names, `${lines}x-amz-meta-a:1,2\n`);
  const sent = (source: string) =>
    refusal(
      requestOf("GET", "/b/k", {
        ...FOREIGN,
        "x-amz-copy-source": source,
        "x-amz-meta-a": "1, 2",
        authorization,
      }),
    );
  expect(sent("/b/1,2")).toBe("accepted");
  expect(sent("/b/1, 2")).toBe("403 SignatureDoesNotMatch");
});

test("header bytes beyond ASCII are hashed as they were sent", () => {
  const wire = Buffer.from("grün").toString("latin1");
  const lines = `${FOREIGN_LINES}x-amz-meta-a:grün\n`;
  const authorization = foreign(
    "/b/k",
    ["host", "x-amz-content-sha256", "x-amz-date", "x-amz-meta-a"],
    lines,
  );
  expect(refusal(requestOf("GET", "/b/k", { ...FOREIGN, "x-amz-meta-a": wire, authorization }))).toBe(
    "accepted",
  );
});

test("S04: an x-amz header that is not signed is refused, and named", () => {
  const headers = { ...headersOf(GET), "x-amz-acl": "public-read" };
  let detail: unknown;
  try {
    check(requestOf("GET", "/b/k", headers));
  } catch (error) {
    detail = error instanceof S3AuthError && [error.code, error.detail];
  }
  expect(detail).toEqual(["AccessDenied", { HeadersNotSigned: "x-amz-acl" }]);
});

test("S04: SignedHeaders without host, unsorted, repeated or in upper case is refused", () => {
  const headers = headersOf(GET);
  const names = "host;x-amz-content-sha256;x-amz-date";
  const cases: Record<string, string> = {
    "x-amz-content-sha256;x-amz-date": "403 AccessDenied",
    "x-amz-date;x-amz-content-sha256;host": "400 AuthorizationHeaderMalformed",
    "host;host;x-amz-content-sha256;x-amz-date": "400 AuthorizationHeaderMalformed",
    "Host;x-amz-content-sha256;x-amz-date": "400 AuthorizationHeaderMalformed",
    ";host;x-amz-content-sha256;x-amz-date": "400 AuthorizationHeaderMalformed",
    "accept;host;x-amz-content-sha256;x-amz-date": "403 SignatureDoesNotMatch",
  };
  for (const [other, expected] of Object.entries(cases)) {
    const authorization = headers.authorization!.replace(names, other);
    expect([other, refusal(requestOf("GET", "/b/k", { ...headers, authorization }))]).toEqual([
      other,
      expected,
    ]);
  }
});

test("S04: a scope of another region, service, day or form is refused; us-east-1 is an alias", () => {
  const headers = headersOf(GET);
  const scope = "20130524/us-east-1/s3/aws4_request";
  const replaced = (other: string) =>
    refusal(
      requestOf("GET", "/b/k", { ...headers, authorization: headers.authorization!.replace(scope, other) }),
    );
  for (const other of [
    "20130524/eu-west-1/s3/aws4_request",
    "20130524/us-east-1/iam/aws4_request",
    "20130523/us-east-1/s3/aws4_request",
    "20130524/us-east-1/s3/aws4",
    "20130524/us-east-1/s3",
    "20130524//s3/aws4_request",
    "../us-east-1/s3/aws4_request",
  ]) {
    expect([other, replaced(other)]).toEqual([other, "400 AuthorizationHeaderMalformed"]);
  }
  const at = (region: string) =>
    authenticate(requestOf("GET", "/b/k", headers), exampleKeyring, EXAMPLE_NOW, { region });
  expect(at("home").accessKeyId).toBe(EXAMPLE.accessKeyId);
});

test("S04: a clock off by more than 15 minutes is refused", () => {
  const request = signedRequest(GET);
  expect(refusal(request, EXAMPLE_NOW + 15 * MINUTE)).toBe("accepted");
  expect(refusal(request, EXAMPLE_NOW - 15 * MINUTE)).toBe("accepted");
  expect(refusal(request, EXAMPLE_NOW + 15 * MINUTE + 1)).toBe("403 RequestTimeTooSkewed");
  expect(refusal(request, EXAMPLE_NOW - 15 * MINUTE - 1)).toBe("403 RequestTimeTooSkewed");
});

test("a Date header serves where x-amz-date is missing; neither is AccessDenied", () => {
  const names = ["date", "host", "x-amz-content-sha256"];
  const lines = `date:Fri, 24 May 2013 00:00:00 GMT\nhost:h\nx-amz-content-sha256:${EMPTY_SHA256}\n`;
  const authorization = foreign("/b/k", names, lines);
  const headers = { host: "h", "x-amz-content-sha256": EMPTY_SHA256, authorization };
  const date = "Fri, 24 May 2013 00:00:00 GMT";
  expect(refusal(requestOf("GET", "/b/k", { ...headers, date }))).toBe("accepted");
  expect(refusal(requestOf("GET", "/b/k", { ...headers, date: "yesterday" }))).toBe("403 AccessDenied");
  expect(refusal(requestOf("GET", "/b/k", headers))).toBe("403 AccessDenied");
  for (const wrong of ["20130231T000000Z", "2013-05-24T00:00:00Z", "20130524T250000Z", ""]) {
    expect(refusal(requestOf("GET", "/b/k", { ...headersOf(GET), "x-amz-date": wrong }))).toBe(
      "403 AccessDenied",
    );
  }
});

test("S04: a key that was disabled after the request was signed is refused", () => {
  const request = signedRequest(GET);
  expect(refusal(request)).toBe("accepted");
  const disabled = { find: () => undefined };
  expect(() => authenticate(request, disabled, EXAMPLE_NOW, { region: EXAMPLE_REGION })).toThrow(
    expect.objectContaining({ code: "InvalidAccessKeyId", status: 403 }),
  );
});

test("a key id imported anew with another secret does not open to the old one", () => {
  const request = signedRequest(GET);
  expect(refusal(request)).toBe("accepted");
  const key = { ...exampleKeyring.find(EXAMPLE.accessKeyId)!, secretAccessKey: "another" };
  expect(() => authenticate(request, { find: () => key }, EXAMPLE_NOW, { region: EXAMPLE_REGION })).toThrow(
    expect.objectContaining({ code: "SignatureDoesNotMatch" }),
  );
});

test("the fields of Authorization may stand in any order and spacing", () => {
  const headers = headersOf(GET);
  const [credential, names, signature] = headers.authorization!.replace("AWS4-HMAC-SHA256 ", "").split(",");
  for (const fields of [`${signature},${credential},${names}`, `${names} ,  ${signature} ,\t${credential}`]) {
    const authorization = `AWS4-HMAC-SHA256 ${fields}`;
    expect(refusal(requestOf("GET", "/b/k", { ...headers, authorization }))).toBe("accepted");
  }
});

test("a signature elsewhere than in its own field, or beside it, is none", () => {
  const headers = headersOf(GET);
  const [credential, names, signature] = headers.authorization!.replace("AWS4-HMAC-SHA256 ", "").split(",");
  for (const fields of [
    `${credential},${names},${signature},${signature}`,
    `${signature},${credential},${names},Signature=`,
    `${credential},${names},X${signature}`,
    `${credential},${names},x=1,${signature}`,
    `Credential=${signature},${names},${signature}`,
    `${credential},${credential},${signature}`,
    `${credential},${names},Signature=`,
  ]) {
    const authorization = `AWS4-HMAC-SHA256 ${fields}`;
    expect(refusal(requestOf("GET", "/b/k", { ...headers, authorization }))).toBe(
      "400 AuthorizationHeaderMalformed",
    );
  }
});

const UNREADABLE: [authorization: string, expected: string][] = [
  ["AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=", "400 InvalidRequest"],
  ["AWS4-ECDSA-P256-SHA256 Credential=a", "400 InvalidRequest"],
  ["Bearer abc", "400 InvalidArgument"],
  ["", "400 InvalidArgument"],
  ["AWS4-HMAC-SHA256", "400 AuthorizationHeaderMalformed"],
  ["AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/s3/aws4_request", "400 AuthorizationHeaderMalformed"],
  ["AWS4-HMAC-SHA256 Signature=a,Signature=b,Signature=c", "400 AuthorizationHeaderMalformed"],
  [`AWS4-HMAC-SHA256 ${",".repeat(5000)}`, "400 AuthorizationHeaderMalformed"],
];

for (const [authorization, expected] of UNREADABLE) {
  test(`Authorization "${authorization.slice(0, 40)}" is ${expected}`, () => {
    expect(refusal(requestOf("GET", "/b/k", { ...FOREIGN, authorization }))).toBe(expected);
  });
}

test("payload modes that are missing, unknown or unsupported are refused", () => {
  const headers = headersOf(GET);
  delete headers["x-amz-content-sha256"];
  expect(refusal(requestOf("GET", "/b/k", headers))).toBe("400 InvalidRequest");
  const mode = (payloadHash: string) => refusal(signedRequest({ ...GET, payloadHash }));
  expect(mode("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD")).toBe("501 NotImplemented");
  expect(mode("UNSIGNED")).toBe("400 InvalidArgument");
  expect(mode("constructor")).toBe("400 InvalidArgument");
  expect(mode(EMPTY_SHA256.slice(1))).toBe("400 InvalidArgument");
});

test("a session token is refused beside a permanent key, wherever it stands", () => {
  expect(refusal(signedRequest({ ...GET, headers: { "x-amz-security-token": "t" } }))).toBe(
    "400 InvalidToken",
  );
  const query = "X-Amz-Security-Token=t";
  const target = presign({ ...GET, query }, 60, EXAMPLE, EXAMPLE_REGION, EXAMPLE_NOW);
  expect(refusal(requestOf("GET", target, { host: "h" }))).toBe("400 InvalidToken");
});
