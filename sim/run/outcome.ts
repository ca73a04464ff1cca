import type { Violation } from "../check/violation.ts";

/** What came of one run. */
export interface RunOutcome {
  seed: number;
  scenario: string | undefined;
  /** Two runs of one seed have the same. */
  hash: string;
  events: number;
  virtualMs: number;
  violations: readonly Violation[];
  /** How often each fault happened. */
  faults: Record<string, number>;
  /** What was really reached: operations by outcome, and the meetings of faults and work that matter. */
  coverage: Record<string, number>;
  /** Failures that clients saw, by operation and code. */
  failures: Record<string, number>;
  /** What happened when, for --verbose and for whoever reads a violation. */
  notes: readonly string[];
}
