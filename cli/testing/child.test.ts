import { expect, test } from "bun:test";
import { goneWithin } from "../instance.ts";
import { identify } from "../supervisor/process-identity.ts";
import { runChild } from "./child.ts";

test("a child's exit code and words come back", async () => {
  const result = await runChild(["sh", "-c", "echo out; echo err >&2; exit 3"], process.env, 20_000);
  expect(result).toMatchObject({ exitCode: 3, timedOut: false });
  expect(result.text.split("\n").sort()).toEqual(["", "err", "out"]);
});

test("a child that hangs is killed with all that it started", async () => {
  const result = await runChild(["sh", "-c", "sleep 1000 & echo $!; wait"], process.env, 300);
  expect(result).toMatchObject({ exitCode: null, timedOut: true });
  const grandchild = identify(Number(result.text));
  expect(await goneWithin(grandchild ? [grandchild] : [], 10_000)).toBe(true);
});
