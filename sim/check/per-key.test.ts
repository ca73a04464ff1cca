import { expect, test } from "bun:test";
import { type Answer, History, type Request } from "./history.ts";
import { checkKeys } from "./per-key.ts";

class Script {
  readonly history = new History();

  constructor(...values: [id: string, key: string][]) {
    for (const [id, key] of values) {
      this.history.addValue(id, key, this.history.announce([{ name: id, size: 20 }]));
    }
  }

  etag(id: string): string {
    return this.history.values.get(id)!.etag!;
  }

  do(request: Request, answer: Answer): this {
    this.history.end(this.history.begin("c1", request), answer);
    return this;
  }

  put(key: string, value: string, answer: Answer = { is: "done" }): this {
    return this.do({ kind: "put", key, value }, answer);
  }

  get(key: string, value: string | undefined): this {
    const answer: Answer = value ? { is: "found", value, etag: "" } : { is: "absent" };
    return this.do({ kind: "get", key }, answer);
  }

  get promises(): string[] {
    return checkKeys(this.history).violations.map(({ promise }) => promise);
  }
}

const values: [string, string][] = [
  ["v1", "k"],
  ["v2", "k"],
  ["w1", "other"],
];
const script = (): Script => new Script(...values);

test("what was refused did not happen, and what has no answer may have", () => {
  const refused: Answer = { is: "refused", code: "NO_SPACE" };
  expect(script().put("k", "v1", refused).get("k", undefined).promises).toEqual([]);
  expect(script().put("k", "v1", refused).get("k", "v1").promises).toEqual(["P3"]);
  const unknown: Answer = { is: "unknown", code: "DISCONNECTED" };
  expect(script().put("k", "v1", unknown).get("k", undefined).get("k", "v1").promises).toEqual([]);
  expect(script().put("k", "v1", unknown).get("k", "v1").get("k", undefined).promises).toEqual(["P1"]);
});

test("the promise that is named is the one that was broken", () => {
  expect(script().put("k", "v1").get("k", undefined).promises).toEqual(["P1"]);
  const deleted = script().put("k", "v1").do({ kind: "delete", key: "k" }, { is: "done", deleted: true });
  expect(deleted.get("k", "v1").promises).toEqual(["P3"]);
  expect(script().put("k", "v1").get("k", "v2").promises).toEqual(["P5"]);
  const condition = { ifNoneMatch: "*" as const };
  const twice = script()
    .do({ kind: "put", key: "k", value: "v1", condition }, { is: "done" })
    .do({ kind: "put", key: "k", value: "v2", condition }, { is: "done" });
  expect(twice.promises).toEqual(["P6"]);
});

test("conditions are told from what they demand and what their failure shows", () => {
  const ifMatch = (id: string) => ({ condition: { ifMatch: script().etag(id) } });
  const swap = { kind: "put", key: "k", value: "v2", ...ifMatch("v1") } as const;
  expect(script().put("k", "v1").do(swap, { is: "done" }).get("k", "v2").promises).toEqual([]);
  expect(script().do(swap, { is: "done" }).promises).toEqual(["P6"]);
  expect(script().put("k", "v1").do(swap, { is: "condition failed" }).promises).toEqual(["P5"]);
  expect(script().do(swap, { is: "absent" }).promises).toEqual([]);
  expect(script().put("k", "v1").do(swap, { is: "absent" }).promises).toEqual(["P1"]);
  const remove = { kind: "delete", key: "k", ...ifMatch("v1") } as const;
  expect(script().put("k", "v2").do(remove, { is: "condition failed" }).promises).toEqual([]);
  expect(script().put("k", "v2").do(remove, { is: "done", deleted: true }).promises).toEqual(["P6"]);
  const none = { is: "done", deleted: false } as const;
  expect(script().put("k", "v1").do({ kind: "delete", key: "k" }, none).promises).toEqual(["P1"]);
});

test("a copy reads its source and writes its destination", () => {
  const copied = (etagOf: string): Script => {
    const one = script().put("other", "w1");
    one.history.addValue("copy", "k", one.etag(etagOf));
    const request = { kind: "copy", source: "other", key: "k", value: "copy" } as const;
    return one.do(request, { is: "done", etag: one.etag(etagOf) });
  };
  expect(copied("w1").get("k", "copy").promises).toEqual([]);
  expect(copied("w1").get("k", undefined).promises).toEqual(["P1"]);
  // Of a value that the source never had.
  expect(copied("v1").promises).toEqual(["P5"]);
  const request = { kind: "copy", source: "other", key: "k", value: "copy" } as const;
  expect(script().put("other", "w1").do(request, { is: "absent" }).promises).toEqual(["P1"]);
});

test("a client that died in the middle is one whose write may have happened", () => {
  const one = script();
  one.history.begin("c2", { kind: "put", key: "k", value: "v1" });
  expect(one.get("k", undefined).get("k", "v1").get("k", "v1").promises).toEqual([]);
});

test("a violation tells the operations around it", () => {
  const [violation] = checkKeys(script().put("k", "v1").put("k", "v2").get("k", "v1").history).violations;
  expect(violation!.what).toContain("GET k -> found (v1");
  expect(violation!.what).toContain("the key could only hold v2");
  expect(violation!.detail.filter((line) => line.startsWith("->"))).toHaveLength(1);
  expect(violation!.detail).toHaveLength(3);
});
