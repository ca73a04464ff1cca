import { expect, test } from "bun:test";
import { canonicalPath, canonicalQuery } from "./canonical.ts";
import { S3AuthError } from "./errors.ts";
import { parseTarget, TARGET_LENGTH_MAX } from "./target.ts";

function refused(target: string): string {
  try {
    parseTarget(target, "h");
    return "accepted";
  } catch (error) {
    return error instanceof S3AuthError ? error.code : String(error);
  }
}

const PATHS: [raw: string, bucket: string | undefined, key: string | undefined][] = [
  ["/", undefined, undefined],
  ["/b", "b", undefined],
  ["/b/", "b", undefined],
  ["/b/k", "b", "k"],
  ["/b//k", "b", "/k"],
  ["/b/k/", "b", "k/"],
  ["/b/../c", "b", "../c"],
  ["/b/./k//", "b", "./k//"],
  ["/b/%2e%2E/c", "b", "../c"],
  ["/b/a%2Fb", "b", "a/b"],
  ["/b%2Fk", "b", "k"],
  ["/b/%252F", "b", "%2F"],
  ["/b/a+b", "b", "a+b"],
  ["/b/a%20b%2B", "b", "a b+"],
  ["/b/%E6%97%A5", "b", "日"],
  ["/%2e%2e/k", "..", "k"],
];

for (const [raw, bucket, key] of PATHS) {
  test(`${raw} is bucket ${bucket}, key ${key}`, () => {
    const target = parseTarget(raw, "h");
    expect(target.bucket).toBe(bucket);
    expect(target.key).toBe(key);
    expect(target.rawPath).toBe(raw);
  });
}

for (const raw of [
  "",
  "*",
  "b/k",
  "http://h/b/k",
  "//k",
  "/%2Fb/k",
  "/b/%",
  "/b/%2",
  "/b/%GG",
  "/b/%00",
  "/b/%C3",
  "/b/%C0%AF",
  "/b/%ED%A0%80",
  "/b/é",
  "/b/\u0001",
  "/b/a b",
  "/b?x=%",
  "/b?x=%FF",
  "/b?x=%00",
  "/b?%=x",
  `/${"a".repeat(TARGET_LENGTH_MAX)}`,
]) {
  test(`${JSON.stringify(raw.slice(0, 20))} is InvalidURI`, () => expect(refused(raw)).toBe("InvalidURI"));
}

const HOSTS: [host: string | undefined, bucket: string | undefined][] = [
  ["pics.storage.example.com", "pics"],
  ["PICS.Storage.Example.COM:8443", "pics"],
  ["a.b.storage.example.com.", "a.b"],
  ["storage.example.com", undefined],
  ["evilstorage.example.com", undefined],
  [".storage.example.com", undefined],
  ["pics.storage.example.com.evil.com", undefined],
  ["[::1]:80", undefined],
  [undefined, undefined],
];

for (const [host, bucket] of HOSTS) {
  test(`host ${host} names bucket ${bucket}`, () => {
    const target = parseTarget("/x//y", host, "storage.example.com");
    expect(target.bucket).toBe(bucket ?? "x");
    expect(target.key).toBe(bucket === undefined ? "/y" : "x//y");
  });
}

test("a query keeps order, repetitions and empty values", () => {
  const { query, rawQuery } = parseTarget("/b?uploads&a=2&a=1&b=&c=x=y&&a+b=%2B+%20", "h");
  expect(rawQuery).toBe("uploads&a=2&a=1&b=&c=x=y&&a+b=%2B+%20");
  expect(query.names()).toEqual(["uploads", "a", "b", "c", "a b"]);
  expect(query.duplicates()).toEqual(["a"]);
  expect(query.all("a")).toEqual(["2", "1"]);
  expect([query.get("a"), query.get("uploads"), query.get("c"), query.get("a b")]).toEqual([
    "2",
    "",
    "x=y",
    "+  ",
  ]);
  expect([query.has("b"), query.has("d"), query.get("d")]).toEqual([true, false, undefined]);
});

test("the canonical query sorts by encoded name and then value, and drops the signature", () => {
  const { query } = parseTarget(
    "/?uploads&b=2&a-=1&a=2&a=10&a=%7E&A=%c3%a9&a.=x+y&X-Amz-Signature=s&*=!'()",
    "h",
  );
  expect(canonicalQuery(query)).toBe("%2A=%21%27%28%29&A=%C3%A9&a=10&a=2&a=~&a-=1&a.=x%20y&b=2&uploads=");
});

test("requests with one canonical path mean one object, whatever their encoding", () => {
  const alphabet = [
    "/",
    "%2F",
    "%2f",
    ".",
    "%2E",
    "..",
    "//",
    "a",
    "%61",
    "%25",
    "%252F",
    "+",
    "%2B",
    "%20",
    "é",
  ];
  const meanings = new Map<string, string>();
  let seed = 42;
  const below = (limit: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return (seed >>> 8) % limit;
  };
  for (let round = 0; round < 20_000; round++) {
    let raw = "/";
    for (let i = 0; i < 1 + (round % 6); i++) {
      raw += encodeURI(alphabet[below(alphabet.length)]!).replaceAll("%25", "%");
    }
    if (refused(raw) !== "accepted") continue;
    const target = parseTarget(raw, "h");
    const meaning = JSON.stringify([target.bucket, target.key]);
    const canonical = canonicalPath(target.path);
    expect(meanings.get(canonical) ?? meaning).toBe(meaning);
    meanings.set(canonical, meaning);
    // And a second parse, of the canonical form, changes nothing.
    const again = parseTarget(canonical, "h");
    expect(JSON.stringify([again.bucket, again.key])).toBe(meaning);
  }
  expect(meanings.size).toBeGreaterThan(1000);
});
