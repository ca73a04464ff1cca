import { expect, test } from "bun:test";
import { normaliseHost, targetOfHost } from "./host.ts";
import { targetOfPath } from "./path.ts";

const DOMAIN = "skerry.localhost";

const HOSTS: [header: string, name: string | undefined][] = [
  ["Skerry.LocalHost", "skerry.localhost"],
  ["skerry.localhost.", "skerry.localhost"],
  ["skerry.localhost:8443", "skerry.localhost"],
  ["SKERRY.localhost.:8443", "skerry.localhost"],
  ["127.0.0.1:8443", "127.0.0.1"],
  ["[::1]:8443", "[::1]"],
  ["[::1]", "[::1]"],
  ["a", "a"],
  ["", undefined],
  [".", undefined],
  ["a..b", undefined],
  ["evil.com/skerry", undefined],
  ["user@skerry.localhost", undefined],
  ["a b", undefined],
  ["skerry.localhost:8443:80", undefined],
  ["skerry.localhost:http", undefined],
  ["a\u0000b", undefined],
  [`${"a".repeat(300)}.com`, undefined],
];

test("E15: a host has one form, whatever case, port and trailing dot it comes with", () => {
  for (const [header, name] of HOSTS) expect([header, normaliseHost(header)]).toEqual([header, name]);
  expect(normaliseHost(null)).toBeUndefined();
});

test("each host goes to what is there", () => {
  const console = { kind: "console" } as const;
  const table = {
    "skerry.localhost": console,
    localhost: console,
    "127.0.0.1": console,
    "example.com": console,
    "evilskerry.localhost": console,
    "storage.skerry.localhost.example.com": console,
    "storage.skerry.localhost": { kind: "s3" },
    "bucket.storage.skerry.localhost": { kind: "s3" },
    "dotted.bucket.storage.skerry.localhost": { kind: "s3" },
    "auth.skerry.localhost": { kind: "service", service: "auth" },
    "compute.skerry.localhost": { kind: "unserved", name: "compute" },
    "blog.apps.skerry.localhost": { kind: "unserved", name: "blog.apps" },
    "other.skerry.localhost": console,
  } as const;
  for (const [host, target] of Object.entries(table)) {
    expect([host, targetOfHost(host, DOMAIN)]).toEqual([host, target]);
  }
});

test("E15: each path goes to one place, and no spelling gets around it", () => {
  const table = {
    "/": "site",
    "/buckets/api/x": "site",
    "/apiary": "site",
    "/healthz": "health",
    "/api/auth": "service auth",
    "/api/auth/": "service auth",
    "/api/storage/buckets/b/objects/a%2Fb": "service storage",
    "/api": "no-service",
    "/api/": "no-service",
    "/api//auth/session": "no-service",
    "//api/auth/session": "no-service",
    "/API/auth/session": "no-service",
    "/api/Auth/session": "no-service",
    "/api%2fauth/session": "no-service",
    "/api/auth%2fsession": "no-service",
    "/api/auth;x/session": "no-service",
    "/api;x/auth": "no-service",
  };
  for (const [path, target] of Object.entries(table)) {
    const found = targetOfPath(path);
    const shown = found.kind === "service" ? `service ${found.service}` : found.kind;
    expect([path, shown]).toEqual([path, target]);
  }
});
