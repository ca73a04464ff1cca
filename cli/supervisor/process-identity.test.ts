import { expect, test } from "bun:test";
import { identify, isRunning, residentBytes } from "./process-identity.ts";

test("a process is itself while it runs, and nobody afterwards", async () => {
  const child = Bun.spawn(["sleep", "1000"]);
  const identity = identify(child.pid)!;
  expect(isRunning(identity)).toBe(true);
  child.kill("SIGKILL");
  await child.exited;
  expect(isRunning(identity)).toBe(false);
  expect(identify(child.pid)).toBeUndefined();
});

test("another process with the same number is somebody else", () => {
  const identity = identify(process.pid)!;
  expect(isRunning({ ...identity, startTime: "1" })).toBe(false);
});

test("this process has memory", () => {
  expect(residentBytes(process.pid)).toBeGreaterThan(1 << 20);
});
