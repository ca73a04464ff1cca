/**
 * A promise of docs/architecture.md that did not hold, a program that died of a bug, or a scenario that did not meet its
 * fault and so has shown nothing.
 */
export interface Violation {
  promise: "P1" | "P2" | "P3" | "P4" | "P5" | "P6" | "P7" | "P8" | "P9" | "bug" | "scenario";
  /** One sentence in plain words. */
  what: string;
  /** What led to it, a line each. */
  detail: readonly string[];
}

/** Whether it says something against the programs under test. */
export function isFault({ promise }: Violation): boolean {
  return promise !== "scenario";
}

export function describeViolation({ promise, what, detail }: Violation): string {
  const kind = promise.startsWith("P") ? `${promise} broken` : promise;
  return [`${kind}: ${what}`, ...detail.map((line) => `    ${line}`)].join("\n");
}
