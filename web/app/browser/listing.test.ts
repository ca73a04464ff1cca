import { expect, test } from "bun:test";
import { firstPage, idsBetween, rowsOf, withObject, withoutRows, withPage } from "./listing.ts";

const object = (key: string, size = 1) => ({ key, size, etag: "e", modifiedAt: 1 });
const names = (listing: Parameters<typeof rowsOf>[0], prefix = "") =>
  rowsOf(listing, prefix).map((row) => row.name);

test("folders come first while one page holds everything", () => {
  const listing = firstPage({ objects: [object("a"), object("z")], commonPrefixes: ["m/"] });
  expect(names(listing)).toEqual(["m", "a", "z"]);
});

test("with several pages the storage's order is kept and a page only adds at the end", () => {
  const first = firstPage({ objects: [object("a"), object("c")], commonPrefixes: ["b/"], next: "c" });
  const before = names(first);
  const both = withPage(first, { objects: [object("e")], commonPrefixes: ["d/"] });
  expect(names(both)).toEqual([...before, "d", "e"]);
  expect(both.next).toBeUndefined();
});

test("a page that overlaps the one before gives no row twice", () => {
  const first = firstPage({ objects: [object("a")], commonPrefixes: ["b/"], next: "b/" });
  const both = withPage(first, { objects: [object("a"), object("c")], commonPrefixes: ["b/"] });
  expect(names(both)).toEqual(["a", "b", "c"]);
});

test("an upload appears in its folder, replaces its former version, and shows as folder one level up", () => {
  const listing = firstPage({ objects: [object("p/a"), object("p/c")], commonPrefixes: [] });
  expect(names(withObject(listing, "p/", object("p/b")), "p/")).toEqual(["a", "b", "c"]);
  const replaced = withObject(listing, "p/", object("p/a", 99));
  expect(replaced.objects.find((one) => one.key === "p/a")!.size).toBe(99);
  expect(replaced.objects.length).toBe(2);
  expect(names(withObject(listing, "p/", object("p/new/x/y")), "p/")).toEqual(["new", "a", "c"]);
});

test("an upload of another folder, or behind the last loaded page, changes nothing", () => {
  const listing = firstPage({ objects: [object("p/a")], commonPrefixes: [], next: "p/a" });
  expect(withObject(listing, "p/", object("q/a"))).toBe(listing);
  expect(withObject(listing, "p/", object("p/b"))).toBe(listing);
});

test("deleted rows go, folders and objects alike", () => {
  const listing = firstPage({ objects: [object("a"), object("c")], commonPrefixes: ["b/"] });
  expect(names(withoutRows(listing, new Set(["b/", "a"])))).toEqual(["c"]);
});

test("a range goes from one row to another in either direction, and is empty where one of them is gone", () => {
  const rows = rowsOf(
    firstPage({ objects: ["a", "b", "c", "d"].map((key) => object(key)), commonPrefixes: [] }),
    "",
  );
  expect(idsBetween(rows, "b", "d")).toEqual(["b", "c", "d"]);
  expect(idsBetween(rows, "c", "a")).toEqual(["a", "b", "c"]);
  expect(idsBetween(rows, "b", "b")).toEqual(["b"]);
  expect(idsBetween(rows, "gone", "b")).toEqual([]);
  expect(idsBetween(rows, undefined, "b")).toEqual([]);
});
