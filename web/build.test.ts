import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildDashboard } from "./build.ts";

const parent = mkdtempSync(join(tmpdir(), "skerry-dashboard-"));
const directory = join(parent, "made", "dist");
beforeAll(() => buildDashboard(directory));
afterAll(() => rmSync(parent, { recursive: true }));

const page = () => readFileSync(join(directory, "index.html"), "utf8");
const assets = () => readdirSync(join(directory, "assets"));

/** JavaScript over this, uncompressed, means that something large slipped in (React alone is 190 kB). */
const SCRIPT_SIZE_MAX = 330_000;

test("the page has no inline script or style and refers only to assets that exist", () => {
  expect(page()).not.toMatch(/<script(?![^>]*src=)/);
  expect(page()).not.toMatch(/<style|style=|onload=|javascript:/);
  const references = [...page().matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!);
  expect(references.length).toBe(4);
  for (const reference of references) {
    expect(reference).toMatch(/^\/assets\/[\w-]+-[0-9a-z]+\.(js|css|svg)$/);
    expect(assets()).toContain(reference.slice("/assets/".length));
  }
});

test("React is its production build and the bundle stays small", () => {
  const script = assets().find((name) => name.startsWith("main-"))!;
  const text = readFileSync(join(directory, "assets", script), "utf8");
  expect(text).not.toContain("react-dom-client.development");
  expect(text.length).toBeLessThan(SCRIPT_SIZE_MAX);
});

test("both themes are in the style sheet, one by the system and one by choice", () => {
  const style = assets().find((name) => name.endsWith(".css"))!;
  const text = readFileSync(join(directory, "assets", style), "utf8");
  expect(text).toMatch(/light-dark\(|prefers-color-scheme/);
  expect(text).toMatch(/\[data-theme="?dark"?\]/);
});

test("a second build from the same sources touches nothing; a damaged stamp builds anew, without the old files", async () => {
  const before = statSync(join(directory, "index.html")).mtimeMs;
  await buildDashboard(directory);
  expect(statSync(join(directory, "index.html")).mtimeMs).toBe(before);
  writeFileSync(join(directory, "assets", "stale-1.js"), "");
  writeFileSync(join(directory, ".sources"), "of another version");
  await buildDashboard(directory);
  expect(assets()).not.toContain("stale-1.js");
  expect(readdirSync(join(parent, "made"))).toEqual(["dist"]);
});
