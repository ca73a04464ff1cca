import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeOutcome, outcomeOfFile, sum } from "./outcome.ts";

/** What real `bun test` reports of a file with this text. */
async function outcomeOf(text: string) {
  const directory = mkdtempSync(join(tmpdir(), "skerry-outcome-"));
  try {
    const report = join(directory, "junit.xml");
    writeFileSync(join(directory, "some.test.ts"), `import { expect, test } from "bun:test";\n${text}`);
    const flags = ["--reporter=junit", `--reporter-outfile=${report}`, "./some.test.ts"];
    const child = Bun.spawn([process.execPath, "test", ...flags], {
      cwd: directory,
      stdout: "ignore",
      stderr: "ignore",
    });
    const exitCode = await child.exited;
    const file = Bun.file(report);
    return outcomeOfFile((await file.exists()) ? await file.text() : undefined, exitCode);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

test("passed, failed and skipped tests are counted from Bun's own report", async () => {
  const text = `
    test("a", () => {}); test("b", () => {});
    test("c", () => expect(1).toBe(2));
    test.skip("d", () => {}); test.todo("e");`;
  expect(await outcomeOf(text)).toEqual({ passed: 2, failed: 1, skipped: 2 });
});

test("a file that does not load is one failure", async () => {
  expect(await outcomeOf('import "./gone.ts"; test("a", () => {});')).toEqual({
    passed: 0,
    failed: 1,
    skipped: 0,
  });
});

test("a file that tests nothing, or ends the process, is one failure", async () => {
  expect(await outcomeOf("")).toEqual({ passed: 0, failed: 1, skipped: 0 });
  expect(await outcomeOf('test("a", () => {}); process.exit(0);')).toEqual({
    passed: 0,
    failed: 1,
    skipped: 0,
  });
});

test("a killed file and one that fails outside of its tests count as failed", () => {
  const report = '<testsuites name="bun test" tests="3" assertions="2" failures="0" skipped="1" time="1">';
  expect(outcomeOfFile(undefined, null)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  expect(outcomeOfFile(report, 0)).toEqual({ passed: 2, failed: 0, skipped: 1 });
  expect(outcomeOfFile(report, 1)).toEqual({ passed: 2, failed: 1, skipped: 1 });
});

test("the last line has skipped tests only where there are some", () => {
  const outcomes = [
    { passed: 2, failed: 0, skipped: 0 },
    { passed: 3, failed: 1, skipped: 0 },
  ];
  expect(describeOutcome(sum(outcomes))).toBe("5 passed, 1 failed");
  expect(describeOutcome(sum([...outcomes, { passed: 0, failed: 0, skipped: 4 }]))).toBe(
    "5 passed, 1 failed, 4 skipped",
  );
});
