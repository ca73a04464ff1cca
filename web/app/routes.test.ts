import { describe, expect, test } from "bun:test";
import { breadcrumbs, formatRoute, parseRoute } from "./routes.ts";

const PREFIXES = [
  "",
  "photos/2026/",
  "a//b/",
  "50% off/#1?/",
  "ру́сский/",
  "a/../b/",
  "./",
  "line\nbreak/",
  "<b>/",
];

describe("routes", () => {
  test.each(PREFIXES)("a browser place survives the URL bar: %j", (prefix) => {
    const path = formatRoute({ page: "browser", bucket: "my.bucket-1", prefix });
    const seenByBrowser = new URL(path, "https://skerry.test").pathname;
    expect(parseRoute(seenByBrowser)).toEqual({ page: "browser", bucket: "my.bucket-1", prefix });
  });

  test("pages have stable addresses", () => {
    expect(parseRoute("/")).toEqual({ page: "buckets" });
    expect(parseRoute("/buckets/")).toEqual({ page: "buckets" });
    expect(parseRoute("/keys")).toEqual({ page: "keys" });
    expect(parseRoute("/storage")).toEqual({ page: "storage" });
    expect(parseRoute("/buckets/photos")).toEqual({ page: "browser", bucket: "photos", prefix: "" });
  });

  test.each([
    ["/account", { page: "account", part: "profile" }],
    ["/account/tokens", { page: "account", part: "tokens" }],
    ["/admin/audit", { page: "admin", part: "audit" }],
    ["/admin/users/a.b", { page: "admin", part: "users", name: "a.b" }],
    ["/password-reset", { page: "password-reset" }],
    ["/sign-up", { page: "sign-up" }],
  ] as const)("%s is a place of its own, and is written so", (path, route) => {
    expect(parseRoute(path)).toEqual(route);
    expect(formatRoute(route)).toBe(path);
  });

  test.each([
    "/account/nothing",
    "/account/tokens/x",
    "/admin/audit/x",
    "/admin/users/x/y",
    "/admin/users/%zz",
    "/keys/x",
    "/storage/",
  ])("%s is no place", (path) => {
    expect(parseRoute(path)).toEqual({ page: "missing" });
  });

  test("malformed percent-encoding and unknown paths are the missing page, not an exception", () => {
    expect(parseRoute("/buckets/x/%E0%A4%A")).toEqual({ page: "missing" });
    expect(parseRoute("/buckets/%zz")).toEqual({ page: "missing" });
    expect(parseRoute("/nowhere")).toEqual({ page: "missing" });
  });

  test("breadcrumbs name every level, also empty ones and a prefix that ends in no slash", () => {
    expect(breadcrumbs("a//b/c")).toEqual([
      { name: "a", prefix: "a/" },
      { name: "", prefix: "a//" },
      { name: "b", prefix: "a//b/" },
      { name: "c", prefix: "a//b/c" },
    ]);
    expect(breadcrumbs("")).toEqual([]);
  });
});
