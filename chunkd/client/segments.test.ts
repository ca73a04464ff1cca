import { describe, expect, test } from "bun:test";
import { InvariantError } from "../../std/assert.ts";
import { SegmentBuffers } from "./segments.ts";

const MIB = 1 << 20;

describe("segment buffers", () => {
  test("give a released buffer to the next segment", async () => {
    const buffers = new SegmentBuffers(4 * MIB);
    const first = await buffers.take(MIB);
    first.fill(Buffer.from("abc"));
    const { buffer } = first.payload;
    first.release();
    const second = await buffers.take(MIB);
    expect(second.payload.length).toBe(0);
    second.fill(Buffer.from("x"));
    expect(second.payload.buffer).toBe(buffer);
  });

  test("never give out again one from which a socket may still be sending", async () => {
    const buffers = new SegmentBuffers(4 * MIB);
    const first = await buffers.take(MIB);
    first.fill(Buffer.from("abc"));
    const { buffer } = first.payload;
    first.reusable = false;
    first.release();
    const second = await buffers.take(MIB);
    second.fill(Buffer.from("x"));
    expect(second.payload.buffer).not.toBe(buffer);
    expect(buffers.used).toBe(MIB);
  });

  test("charge small segments at least 4 KiB, so that their number is bounded too", async () => {
    const buffers = new SegmentBuffers(MIB);
    const segments = await Promise.all(Array.from({ length: 256 }, () => buffers.take(1)));
    expect(buffers.used).toBe(MIB);
    const waiting = buffers.take(1);
    expect(buffers.contended).toBe(true);
    segments[0]!.release();
    await waiting;
    expect(buffers.contended).toBe(false);
  });

  test("take a segment back once", async () => {
    const segment = await new SegmentBuffers(MIB).take(1);
    segment.release();
    expect(() => segment.release()).toThrow(InvariantError);
  });
});
