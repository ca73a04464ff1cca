import { expect, test } from "bun:test";
import { extendChecksum, recordSize } from "../protocol/record.ts";
import { ExtentList } from "./extent-list.ts";

const MIB = 1 << 20;

function join(...records: [handle: number, offset: number, size: number][]) {
  const list = new ExtentList();
  for (const [i, [handle, offset, size]] of records.entries()) {
    list.add({ handle, offset, size, recordCrc: i + 1 });
  }
  return list.extents;
}

test("joins full records that lie back to back, and a last short one", () => {
  const second = 64 + recordSize(MIB);
  const third = second + recordSize(MIB);
  const checksum = extendChecksum(extendChecksum(extendChecksum(0, 1), 2), 3);
  expect(join([7, 64, MIB], [7, second, MIB], [7, third, 9])).toEqual([
    { handle: 7, offset: 64, length: 2 * MIB + 9, checksum },
  ]);
});

test("begins a new extent after a short record, after a gap, before an earlier offset and in another chunk", () => {
  const second = 64 + recordSize(MIB);
  expect(join([7, 64, 9], [7, 64 + recordSize(9), 9])).toHaveLength(2);
  expect(join([7, 64, MIB], [7, second + 1, MIB])).toHaveLength(2);
  expect(join([7, second, MIB], [7, 64, MIB])).toHaveLength(2);
  expect(join([7, 64, MIB], [8, second, MIB])).toHaveLength(2);
});

test("keeps the order of the object's bytes, not that of the offsets", () => {
  const extents = join([7, 5000, 10], [8, 64, 20], [7, 64, 30]);
  expect(extents.map(({ handle, offset, length }) => [handle, offset, length])).toEqual([
    [7, 5000, 10],
    [8, 64, 20],
    [7, 64, 30],
  ]);
});
