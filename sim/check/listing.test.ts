import { describe, expect, test } from "bun:test";
import { History, type Page } from "./history.ts";
import { checkPage } from "./listing.ts";
import { checkKeys } from "./per-key.ts";

/** A history in which each of `keys` was put, one after another; its value is named as the key. */
function put(...keys: string[]): History {
  const history = new History();
  for (const key of keys) {
    history.addValue(`v-${key}`, key, history.announce([{ name: `v-${key}`, size: 10 }]));
    const entry = history.begin("writer", { kind: "put", key, value: `v-${key}` });
    history.end(entry, { is: "done" });
  }
  return history;
}

function object(history: History, key: string) {
  return { key, size: 10, etag: history.values.get(`v-${key}`)!.etag! };
}

function page(history: History, keys: string[], more: Partial<Page> = {}): Page {
  const objects = keys.map((key) => object(history, key));
  const asked = { client: "lister", prefix: "", delimiter: undefined, after: undefined, max: 1000 };
  const start = history.now();
  return { ...asked, start, end: history.now(), objects, commonPrefixes: [], next: undefined, ...more };
}

/** The form of the page and what it shows of each key, as one list of sentences. */
function complaints(history: History, ...pages: Page[]): string[] {
  const form = pages.flatMap((one) => checkPage(history, one));
  for (const one of pages) history.addPage(one);
  return [...form, ...checkKeys(history).violations].map(({ what }) => what);
}

describe("legal listings", () => {
  test("all keys, in pages, in groups, below a prefix", () => {
    const history = put("a", "b/1", "b/2", "b/x/1", "c");
    const pages = [
      page(history, ["a", "b/1", "b/2", "b/x/1", "c"]),
      page(history, ["a", "b/1"], { max: 2, next: "b/1" }),
      page(history, ["b/2", "b/x/1"], { max: 2, after: "b/1", next: "b/x/1" }),
      page(history, ["c"], { max: 2, after: "b/x/1" }),
      page(history, ["a", "c"], { delimiter: "/", commonPrefixes: ["b/"] }),
      page(history, ["b/1", "b/2"], { prefix: "b/", delimiter: "/", commonPrefixes: ["b/x/"] }),
      page(history, ["c"], { delimiter: "/", after: "b/" }),
    ];
    expect(complaints(history, ...pages)).toEqual([]);
  });

  test("a key that comes or goes meanwhile may be shown or not", () => {
    const history = put("a");
    const entry = history.begin("writer", { kind: "delete", key: "a" });
    const pages = [page(history, ["a"]), page(history, [])];
    history.end(entry, { is: "done", deleted: true });
    expect(complaints(history, ...pages)).toEqual([]);
  });

  test("keys stand in the order of their UTF-8 bytes, which is not JavaScript's", () => {
    const history = put("\u{1f600}", "\uff5e");
    expect(complaints(history, page(history, ["\uff5e", "\u{1f600}"]))).toEqual([]);
    expect(complaints(history, page(history, ["\u{1f600}", "\uff5e"]))).toHaveLength(1);
  });
});

describe("planted violations", () => {
  const cases: [string, (history: History) => Page, string][] = [
    ["a live key is missing", (history) => page(history, ["a", "c"]), 'the history of "b"'],
    ["a key is shown twice", (history) => page(history, ["a", "b", "b", "c"]), "a page of"],
    ["the order is wrong", (history) => page(history, ["b", "a", "c"]), "a page of"],
    [
      "a page goes on too far",
      (history) => page(history, ["a"], { max: 1, next: "b" }),
      'the history of "b"',
    ],
    [
      "a group of live keys is missing",
      (history) => page(history, ["a", "b", "c"], { prefix: "", delimiter: "/" }),
      'the history of "d/1"',
    ],
    [
      "an unknown key is shown",
      (history) => page(history, ["a", "b", "c"], { objects: [{ ...object(history, "a"), key: "x" }] }),
      "a page of",
    ],
    [
      "a key behind `after` is told again",
      (history) => page(history, ["a", "b", "c"], { after: "a" }),
      "a page of",
    ],
    [
      "there is to be more, but the page is not full",
      (history) => page(history, ["a"], { next: "a", max: 5 }),
      "a page of",
    ],
  ];
  for (const [name, plant, finds] of cases) {
    test(name, () => {
      const history = put("a", "b", "c", "d/1");
      expect(complaints(history, plant(history)).join("\n")).toContain(finds);
    });
  }

  test("a deleted key is shown", () => {
    const history = put("a", "b");
    const entry = history.begin("writer", { kind: "delete", key: "a" });
    history.end(entry, { is: "done", deleted: true });
    expect(complaints(history, page(history, ["a", "b"]))[0]).toContain('the history of "a"');
  });

  test("a key is shown with the etag of a value that was overwritten", () => {
    const history = put("a");
    const stale = object(history, "a");
    history.addValue("new", "a", history.announce([{ name: "new", size: 10 }]));
    history.end(history.begin("writer", { kind: "put", key: "a", value: "new" }), { is: "done" });
    expect(complaints(history, page(history, [], { objects: [stale] }))[0]).toContain('the history of "a"');
  });
});
