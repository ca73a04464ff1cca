import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StaticSite } from "./static-site.ts";

const PAGE = "<!doctype html><title>Skerry</title>";
const SCRIPT = `console.log(${JSON.stringify("x".repeat(4_000))})`;

let root: string;
let site: StaticSite;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "skerry-site-"));
  mkdirSync(join(root, "web/assets"), { recursive: true });
  writeFileSync(join(root, "secret.txt"), "secret");
  writeFileSync(join(root, "web/index.html"), PAGE);
  writeFileSync(join(root, "web/.sources"), "stamp");
  writeFileSync(join(root, "web/assets/main-a1b2c3d4.js"), SCRIPT);
  site = await StaticSite.load(join(root, "web"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function get(path: string, headers: Record<string, string> = {}, method = "GET"): Response {
  return site.respond(path, new Request("https://skerry.localhost/", { method, headers }));
}

test("a page is checked each time, a file whose name holds its hash is kept for good", async () => {
  const page = get("/");
  expect([page.status, await page.text()]).toEqual([200, PAGE]);
  expect(page.headers.get("cache-control")).toBe("no-cache");
  const script = get("/assets/main-a1b2c3d4.js");
  expect(await script.text()).toBe(SCRIPT);
  expect(script.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  expect(script.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
});

test("every path of the dashboard gets its page, but a missing script stays missing", async () => {
  expect(await get("/buckets/my.bucket", { accept: "text/html,*/*" }).text()).toBe(PAGE);
  expect(await get("/keys").text()).toBe(PAGE);
  expect(get("/assets/gone-00000000.js").status).toBe(404);
});

test("nothing outside the directory, and no dot file, can be named", () => {
  const paths = [
    "/../secret.txt",
    "/..%2fsecret.txt",
    "/assets/../../secret.txt",
    "//etc/passwd.txt",
    "/.sources.txt",
  ];
  for (const path of paths) expect([path, get(path).status]).toEqual([path, 404]);
});

test("S22: the browser is told to run nothing but the page's own files, and never in a frame", () => {
  const { headers } = get("/");
  const policy = headers.get("content-security-policy")!;
  expect(policy).toContain("default-src 'self'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toContain("unsafe");
  expect(headers.get("x-content-type-options")).toBe("nosniff");
});

test("what a client has already is not sent again", () => {
  const etag = get("/").headers.get("etag")!;
  const again = get("/", { "if-none-match": etag });
  expect(again.status).toBe(304);
  expect(again.body).toBeNull();
});

test("a client that takes gzip gets it", async () => {
  const response = get("/assets/main-a1b2c3d4.js", { "accept-encoding": "gzip, br" });
  expect(response.headers.get("content-encoding")).toBe("gzip");
  expect(response.headers.get("vary")).toBe("accept-encoding");
  expect(Buffer.from(Bun.gunzipSync(await response.bytes())).toString()).toBe(SCRIPT);
});

test("files are only read", () => {
  const response = get("/", {}, "POST");
  expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
});

test("a directory without a page is no dashboard", async () => {
  await expect(StaticSite.load(join(root, "web/assets"))).rejects.toThrow("no index.html");
});
