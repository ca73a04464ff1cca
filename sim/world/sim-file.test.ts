// What a file may look like after a power failure, as properties over many seeds: a model keeps every version that each
// sector ever had since the last sync.
import { expect, test } from "bun:test";
import { Content, PAGE_SIZE } from "./content.ts";
import { SeededRandom } from "./seeded-random.ts";
import { SECTOR_SIZE, SimFile } from "./sim-file.ts";

const SEEDS = Array.from({ length: 200 }, (_, seed) => seed);

/** Twice the same, whichever way it is read. */
function bytesOf(file: SimFile): Buffer {
  const bytes = Buffer.alloc(file.size);
  file.read(bytes, 0);
  expect(file.bytes().equals(bytes)).toBe(true);
  return bytes;
}

test("content is what a plain buffer would be, and versions do not leak into each other", () => {
  for (const seed of SEEDS.slice(0, 40)) {
    const random = new SeededRandom(`content ${seed}`);
    const content = new Content();
    const copy = new Content();
    let model = Buffer.alloc(0);
    let modelOfCopy = Buffer.alloc(0);
    for (let step = 0; step < 40; step++) {
      const kind = random.int(0, 9);
      if (kind < 6) {
        const bytes = random.chance(0.2) ? Buffer.alloc(2 * PAGE_SIZE) : random.bytes(random.int(1, 3000));
        const position = random.int(0, 4 * PAGE_SIZE);
        content.write(bytes, position);
        model = Buffer.concat([model, Buffer.alloc(Math.max(0, position + bytes.length - model.length))]);
        model.set(bytes, position);
      } else if (kind < 8) {
        const size = random.int(0, 5 * PAGE_SIZE);
        content.truncate(size);
        model = Buffer.concat([model.subarray(0, size), Buffer.alloc(Math.max(0, size - model.length))]);
      } else {
        content.copyTo(copy);
        modelOfCopy = Buffer.from(model);
      }
      for (const [one, expected] of [
        [content, model],
        [copy, modelOfCopy],
      ] as const) {
        const read = Buffer.alloc(one.size + 10);
        expect(one.read(read, 0)).toBe(expected.length);
        expect(read.subarray(0, expected.length).equals(expected)).toBe(true);
      }
    }
  }
});

test("what was synced is there after a power failure", () => {
  for (const seed of SEEDS) {
    const random = new SeededRandom(`synced ${seed}`);
    const file = new SimFile();
    const written = random.bytes(random.int(1, 5000));
    file.write(written, 0);
    file.synced(file.mark);
    file.write(random.bytes(random.int(1, 3000)), written.length);
    file.powerLoss(random);
    expect(bytesOf(file).subarray(0, written.length).equals(written)).toBe(true);
  }
});

test("a sync that began before a write does not cover it, though it ends after it", () => {
  let lost = 0;
  for (const seed of SEEDS) {
    const file = new SimFile();
    file.write(Buffer.alloc(100, 1), 0);
    const first = file.mark;
    file.write(Buffer.alloc(100, 2), 100);
    const second = file.mark;
    file.write(Buffer.alloc(100, 3), 200);
    file.synced(second);
    file.synced(first);
    file.powerLoss(new SeededRandom(`early sync ${seed}`));
    expect(file.size).toBeGreaterThanOrEqual(200);
    if (file.size < 300) lost++;
  }
  expect(lost).toBeGreaterThan(SEEDS.length / 10);
});

test("each sector of an un-synced overwrite is old or one of the new versions, and all of these come up", () => {
  const seen = new Set<string>();
  for (const seed of SEEDS) {
    const random = new SeededRandom(`overwrite ${seed}`);
    const file = new SimFile();
    const sectors = 4;
    const version = (n: number): Buffer => Buffer.alloc(sectors * SECTOR_SIZE, n);
    file.write(version(1), 0);
    file.synced(file.mark);
    file.write(version(2), 0);
    file.write(version(3), 0);
    file.powerLoss(random);
    const left = bytesOf(file);
    expect(left.length).toBe(sectors * SECTOR_SIZE);
    const versions: number[] = [];
    for (let at = 0; at < left.length; at += SECTOR_SIZE) {
      const sector = left.subarray(at, at + SECTOR_SIZE);
      expect(sector.every((byte) => byte === sector[0])).toBe(true);
      versions.push(sector[0]!);
    }
    seen.add(versions.join(""));
  }
  for (const outcome of ["1111", "2222", "3333"]) expect(seen).toContain(outcome);
  // Torn: a later sector newer than an earlier one, and the other way round.
  expect([...seen].some((outcome) => /1[23]/.test(outcome))).toBe(true);
  expect([...seen].some((outcome) => /[23]1/.test(outcome))).toBe(true);
});

test("an un-synced append is there, gone, short, or has holes", () => {
  const outcomes = { whole: 0, gone: 0, short: 0, holes: 0 };
  const written = Buffer.alloc(10 * SECTOR_SIZE, 7);
  for (const seed of SEEDS) {
    const file = new SimFile();
    for (let at = 0; at < written.length; at += 2 * SECTOR_SIZE)
      file.write(written.subarray(at, at + 2 * SECTOR_SIZE), at);
    file.powerLoss(new SeededRandom(`append ${seed}`));
    const left = bytesOf(file);
    if (left.length === 0) outcomes.gone++;
    else if (left.equals(written)) outcomes.whole++;
    else if (left.every((byte) => byte === 7)) outcomes.short++;
    else outcomes.holes++;
  }
  for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(3);
});

test("after a failed sync no later sync makes the lost bytes durable", () => {
  for (const seed of SEEDS.slice(0, 50)) {
    const random = new SeededRandom(`failed sync ${seed}`);
    const file = new SimFile();
    file.write(Buffer.alloc(1000, 1), 0);
    file.synced(file.mark);
    file.write(Buffer.alloc(1000, 2), 0);
    expect(bytesOf(file)[0]).toBe(2);
    file.syncFailed(random.chance(0.5));
    file.write(Buffer.alloc(10, 3), 5000);
    file.synced(file.mark);
    file.powerLoss(random);
    const left = bytesOf(file);
    expect(left.subarray(0, 1000).equals(Buffer.alloc(1000, 1))).toBe(true);
    expect(left.subarray(5000).equals(Buffer.alloc(10, 3))).toBe(true);
  }
});
