import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measureMachine } from "./figures.ts";

test("each figure is measured, and the scratch directory is empty again", async () => {
  const scratch = mkdtempSync(join(tmpdir(), "skerry-bench-"));
  const figures = await measureMachine(scratch, 0.05, true);
  for (const figure of Object.values(figures)) expect(figure).toBeGreaterThan(1);
  expect(Object.keys(figures).length).toBe(4);
  expect(readdirSync(scratch)).toEqual([]);
  rmSync(scratch, { recursive: true });
});
