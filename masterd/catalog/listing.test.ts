import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { ListRequest } from "../protocol/messages.ts";
import { atEnd, cleanUp, emptyData, NO_ATTRIBUTES, testDirectory } from "../testing/test-master.ts";
import { apply } from "./apply.ts";
import { Catalog } from "./catalog.ts";
import { CatalogDatabase } from "./database.ts";
import { listObjects, listUploads } from "./listing.ts";

afterEach(cleanUp);

async function emptyCatalog(): Promise<Catalog> {
  const database = CatalogDatabase.create(join(await testDirectory(), "catalog.sqlite"), "a".repeat(32));
  atEnd(() => database.close());
  const catalog = new Catalog(database);
  apply(catalog, { type: "createBucket", at: 1, name: "bucket", owner: "u" });
  return catalog;
}

function put(catalog: Catalog, key: string): void {
  apply(catalog, {
    type: "commitObject",
    at: 1,
    bucket: "bucket",
    key,
    data: emptyData(key),
    attributes: NO_ATTRIBUTES,
  });
}

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** What S3 says a listing is, over all keys: entries in order of their bytes. */
function modelEntries(keys: readonly string[], prefix: string, delimiter: string | undefined): string[] {
  const entries = new Set<string>();
  for (const key of keys) {
    if (!key.startsWith(prefix)) continue;
    const at = delimiter ? key.indexOf(delimiter, prefix.length) : -1;
    entries.add(at < 0 ? `k${key}` : `p${key.slice(0, at + delimiter!.length)}`);
  }
  return [...entries].sort((a, b) => byBytes(a.slice(1), b.slice(1)));
}

/** All pages of a listing, as entries. */
function listed(catalog: Catalog, request: Omit<ListRequest, "bucket">): string[] {
  const entries: string[] = [];
  let after = request.after;
  for (let pages = 0; pages < 10_000; pages++) {
    const page = listObjects(catalog, { bucket: "bucket", ...request, after });
    const found = [...page.objects.map(({ key }) => `k${key}`), ...page.commonPrefixes.map((p) => `p${p}`)];
    found.sort((a, b) => byBytes(a.slice(1), b.slice(1)));
    expect(found.length).toBeLessThanOrEqual(request.max);
    entries.push(...found);
    if (page.next === undefined) return entries;
    expect(found).toHaveLength(request.max);
    expect(page.next).toBe(found.at(-1)!.slice(1));
    after = page.next;
  }
  throw new Error("the listing does not end");
}

/** A small generator, so that a failure can be run again. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const ALPHABET = [
  "a",
  "b",
  "/",
  "/",
  ".",
  "..",
  "%",
  "\n",
  " ",
  "é",
  "\uffee",
  "😀",
  "\u0001",
  "\u007f",
  "Z",
  "//",
];

describe("LIST", () => {
  test("is every live key in the order of UTF-8 bytes, where UTF-16 orders otherwise", async () => {
    const catalog = await emptyCatalog();
    const keys = ["\uffee", "😀", "z", "Z", "é", "a//b", "a/../b", "a\n", "."];
    for (const key of keys) put(catalog, key);
    const found = listed(catalog, { max: 1000 });
    expect(found).toEqual(keys.sort(byBytes).map((key) => `k${key}`));
    expect(found.indexOf("k😀")).toBeGreaterThan(found.indexOf("k\uffee"));
  });

  test("agrees with a model for random keys, prefixes, delimiters and page sizes", async () => {
    const random = seeded(20261121);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
    const word = (parts: number): string =>
      Array.from({ length: 1 + Math.floor(random() * parts) }, () => pick(ALPHABET)).join("");
    for (let round = 0; round < 8; round++) {
      const catalog = await emptyCatalog();
      const keys = [...new Set(Array.from({ length: 150 }, () => word(7)))];
      for (const key of keys) put(catalog, key);
      for (const key of keys.splice(0, 20)) {
        apply(catalog, { type: "deleteObject", at: 2, bucket: "bucket", key });
      }
      for (let query = 0; query < 60; query++) {
        const prefix = random() < 0.4 ? "" : random() < 0.7 ? pick(keys).slice(0, 2) : word(3);
        if (!prefix.isWellFormed()) continue;
        const delimiter = pick([undefined, "/", "//", ".", "a", "😀"]);
        const max = pick([1, 2, 3, 7, 1000]);
        const found = listed(catalog, { prefix, delimiter, max });
        expect({ prefix, delimiter, max, found }).toEqual({
          prefix,
          delimiter,
          max,
          found: modelEntries(keys, prefix, delimiter),
        });
      }
    }
  });

  test("starts behind a key that is not there, and inside a group it tells the rest of that group", async () => {
    const catalog = await emptyCatalog();
    for (const key of ["a/1", "a/3", "b", "c/1"]) put(catalog, key);
    expect(listed(catalog, { after: "a/2", max: 10 })).toEqual(["ka/3", "kb", "kc/1"]);
    expect(listed(catalog, { after: "a/2", delimiter: "/", max: 10 })).toEqual(["pa/", "kb", "pc/"]);
    expect(listed(catalog, { after: "a/", delimiter: "/", max: 10 })).toEqual(["kb", "pc/"]);
    expect(listed(catalog, { after: "a/9", delimiter: "/", max: 10 })).toEqual(["kb", "pc/"]);
    expect(listed(catalog, { after: "zzz", max: 10 })).toEqual([]);
    expect(listed(catalog, { after: "a", prefix: "b", max: 10 })).toEqual(["kb"]);
  });

  test("of no entries is empty and not truncated", async () => {
    const catalog = await emptyCatalog();
    put(catalog, "a");
    expect(listObjects(catalog, { bucket: "bucket", max: 0 })).toEqual({ objects: [], commonPrefixes: [] });
  });

  test("passes a group of many keys with one seek", async () => {
    const catalog = await emptyCatalog();
    catalog.database.sqlite.transaction(() => {
      for (let i = 0; i < 5_000; i++) put(catalog, `logs/${i}`);
    })();
    put(catalog, "zebra");
    let rows = 0;
    const range = catalog.objects.range.bind(catalog.objects);
    catalog.objects.range = (...query) => {
      const found = range(...query);
      rows += found.length;
      return found;
    };
    expect(listed(catalog, { delimiter: "/", max: 1000 })).toEqual(["plogs/", "kzebra"]);
    expect(rows).toBeLessThan(10);
  });
});

describe("LIST of uploads", () => {
  test("is ordered by key, then id, over pages of any size and with groups", async () => {
    const catalog = await emptyCatalog();
    const uploads = ["a", "a", "b/1", "b/2", "b/2", "😀", "\uffee"].map((key, i) => ({
      key,
      uploadId: `u${i}`,
    }));
    for (const upload of uploads) {
      const owner = "u";
      apply(catalog, {
        type: "createUpload",
        at: 5,
        bucket: "bucket",
        ...upload,
        owner,
        attributes: NO_ATTRIBUTES,
      });
    }
    const sorted = [...uploads].sort((a, b) => byBytes(a.key, b.key) || byBytes(a.uploadId, b.uploadId));
    for (const max of [1, 2, 3, 100]) {
      for (const delimiter of [undefined, "/"]) {
        const found: string[] = [];
        let after: { key: string; uploadId?: string } | undefined;
        do {
          const page = listUploads(catalog, { bucket: "bucket", delimiter, after, max });
          const entries = [
            ...page.uploads.map(({ key, uploadId }) => `${key} ${uploadId}`),
            ...page.commonPrefixes,
          ].sort(byBytes);
          expect(entries.length).toBeLessThanOrEqual(max);
          found.push(...entries);
          after = page.next;
        } while (after);
        const names = sorted.map(({ key, uploadId }) => `${key} ${uploadId}`);
        const grouped = [...new Set(names.map((entry) => (entry.startsWith("b/") ? "b/" : entry)))];
        expect(found).toEqual(delimiter ? grouped : names);
      }
    }
  });
});
