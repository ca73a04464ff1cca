/** How many tests ended how. */
export interface Outcome {
  passed: number;
  failed: number;
  skipped: number;
}

export const PASSED: Outcome = { passed: 1, failed: 0, skipped: 0 };
export const FAILED: Outcome = { passed: 0, failed: 1, skipped: 0 };

export function sum(outcomes: readonly Outcome[]): Outcome {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const { passed, failed, skipped } of outcomes) {
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
  }
  return total;
}

/** "3 passed, 0 failed", and ", 1 skipped" where some were. */
export function describeOutcome({ passed, failed, skipped }: Outcome): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/**
 * What `bun test` on one file did: `report` is its JUnit report, if it wrote one, `exitCode` null where it was killed.
 * A file that cannot load, ends the process, or tests nothing leaves no report: that is a failure of the file.
 */
export function outcomeOfFile(report: string | undefined, exitCode: number | null): Outcome {
  const suites = report === undefined ? undefined : /<testsuites\b[^>]*>/.exec(report)?.[0];
  if (suites === undefined) return FAILED;
  const count = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(suites)?.[1] ?? 0);
  const [tests, failed, skipped] = [count("tests"), count("failures"), count("skipped")];
  const passed = tests - failed - skipped;
  // An error outside of any test shows in the exit code alone.
  if (failed === 0 && (exitCode !== 0 || tests === 0)) return { passed, failed: 1, skipped };
  return { passed, failed, skipped };
}
