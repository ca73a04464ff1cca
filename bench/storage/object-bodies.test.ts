import { expect, test } from "bun:test";
import { digestOf, ObjectBodies } from "./object-bodies.ts";

const sizeOf = (parts: Uint8Array[]) => parts.reduce((sum, part) => sum + part.length, 0);

test.each([0, 1, 31, 32, 33, 4096, 100_000])("a body of %i bytes has that size", (size) => {
  expect(sizeOf(new ObjectBodies(100_000).of(size, "a"))).toBe(size);
});

test("a body larger than the shared buffer is filled up by repeating it", () => {
  expect(sizeOf(new ObjectBodies(1000).of(10_000, "a"))).toBe(10_000);
});

test("bodies differ by their stamp alone and are the same in every run", () => {
  const bodies = new ObjectBodies(4096);
  expect(digestOf(bodies.of(4096, "a"))).not.toBe(digestOf(bodies.of(4096, "b")));
  expect(digestOf(bodies.of(4096, "a"))).toBe(digestOf(new ObjectBodies(4096).of(4096, "a")));
  expect(Bun.gzipSync(Buffer.concat(bodies.of(4096, "a"))).length).toBeGreaterThan(4000);
});
