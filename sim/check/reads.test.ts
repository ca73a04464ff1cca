import { describe, expect, test } from "bun:test";
import { contentOf } from "./content.ts";
import { History } from "./history.ts";
import { checkBytes, checkRecord, type ReadRecord } from "./reads.ts";

const history = new History();
const SIZE = 10_000;
const pieces = [
  { name: "v1.1", size: 6000 },
  { name: "v1.2", size: 4000 },
];
const etag = history.announce(pieces);
const other = history.announce([{ name: "v2", size: SIZE }]);
history.addValue("v1", "k", etag);
history.addValue("v2", "k", other);
const read: ReadRecord = { client: "c", key: "k", value: "v1", etag, size: SIZE };
const content = contentOf(pieces);
const promises = (bytes: Buffer, start = 0, end = SIZE, isWhole = true): string[] =>
  checkBytes(history, read, bytes, { start, end }, isWhole).map(({ promise }) => promise);

test("whole values, ranges, and what came before a stream broke off are fine", () => {
  expect(promises(content)).toEqual([]);
  expect(promises(content.subarray(5990, 6010), 5990, 6010)).toEqual([]);
  expect(promises(content.subarray(0, 7000), 0, SIZE, false)).toEqual([]);
  expect(promises(Buffer.alloc(0), 7, 7)).toEqual([]);
});

describe("planted violations", () => {
  test("a flipped bit, anywhere", () => {
    for (const at of [0, 4095, 4096, SIZE - 1]) {
      const bytes = Buffer.from(content);
      bytes[at]! ^= 1;
      expect(promises(bytes)).toEqual(["P2"]);
    }
  });

  test("a splice of two values", () => {
    const spliced = Buffer.concat([
      content.subarray(0, 4096),
      contentOf(history.contentWith(other)!).subarray(4096),
    ]);
    expect(promises(spliced)).toEqual(["P2"]);
  });

  test("a prefix that claims to be all, and bytes too many", () => {
    expect(promises(content.subarray(0, SIZE - 1))).toEqual(["P5"]);
    expect(promises(content, 0, SIZE - 1)).toEqual(["P5"]);
  });

  test("the right bytes of the wrong place", () => {
    expect(promises(content.subarray(4096, 8192), 0, 4096)).toEqual(["P2"]);
  });

  test("a record that fits no write", () => {
    expect(checkRecord(history, read)).toEqual([]);
    for (const wrong of [
      { value: "v9" },
      { key: "k2" },
      { etag: other },
      { etag: "0".repeat(32), value: "v1" },
      { size: SIZE - 1 },
    ]) {
      expect(checkRecord(history, { ...read, ...wrong })).toHaveLength(1);
    }
  });
});
