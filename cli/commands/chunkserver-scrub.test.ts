import { expect, test } from "bun:test";
import type { ScrubControlResponse } from "../../chunkd/protocol/messages.ts";
import { describeScrub, wordsOf } from "./chunkserver-scrub.ts";

const NOW = Date.UTC(2026, 10, 21, 12);

function scrub(more: Partial<ScrubControlResponse> = {}): ScrubControlResponse {
  const totals = { doneBytes: 1 << 30, totalBytes: 1 << 30, bytesPerSecond: 10 << 20, damagedFound: 0 };
  return {
    ...totals,
    startedAt: NOW - 9e5,
    finishedAt: NOW - 6e5,
    paused: false,
    nextAt: NOW + 7.2e6,
    ...more,
  };
}

test.each([
  [{}, "next in 2h 0m, last finished 2026-11-21 11:50, 0 damaged in the last round"],
  [
    { damagedFound: 2, nextAt: NOW - 1 },
    "next at once, last finished 2026-11-21 11:50, 2 damaged in the last round",
  ],
  [
    { startedAt: NOW - 1, doneBytes: 256 << 20, nextAt: 0, damagedFound: 1 },
    "running, 25 % of 1.0 GiB, at most 10.0 MiB/s, 1m 16s left at that, last finished 2026-11-21 11:50, 1 damaged in this round",
  ],
  [
    { startedAt: NOW, finishedAt: 0, doneBytes: 512 << 20, paused: true },
    "paused at 50 % of 1.0 GiB, never finished yet, 0 damaged in this round",
  ],
  [{ paused: true }, "paused between rounds, last finished 2026-11-21 11:50, 0 damaged in the last round"],
  [{ bytesPerSecond: 0 }, "scrubs are off"],
])("a scrub is told in a line: %p", (more, line) => {
  expect(describeScrub(scrub(more), NOW)).toBe(line);
});

test("the words are an id or --all, and what to do", () => {
  expect(wordsOf(["c1"], false)).toEqual({ id: "c1", action: "status" });
  expect(wordsOf(["c1", "now"], false)).toEqual({ id: "c1", action: "now" });
  expect(wordsOf(["pause"], true)).toEqual({ id: undefined, action: "pause" });
  expect(() => wordsOf([], false)).toThrow("id is missing, or --all");
  expect(() => wordsOf(["c1", "faster"], false)).toThrow('"faster" is none of now, pause, resume, status');
  expect(() => wordsOf(["c1", "now", "then"], false)).toThrow("one word too many");
});
