/** How far a master's directory has come. A later restore is further, whatever its sequence. */
export interface MasterPoint {
  /** When it was made of a backup, the master's wall clock, ms; 0: never. */
  restoredAt: number;
  /** The last sequence that its journal has on disk: what was told once is never taken back. */
  sequence: number;
}

/** Where every cluster begins. */
export const BEGINNING: MasterPoint = { restoredAt: 0, sequence: 0 };

/** Whether a master at `point` has forgotten what a master at `other` knew. */
export function isBehind(point: MasterPoint, other: MasterPoint): boolean {
  if (point.restoredAt !== other.restoredAt) return point.restoredAt < other.restoredAt;
  return point.sequence < other.sequence;
}

/** The point that came in a message or a file, or undefined for anything else. */
export function masterPoint(value: unknown): MasterPoint | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { restoredAt, sequence } = value as Record<string, unknown>;
  return isCount(restoredAt) && isCount(sequence) ? { restoredAt, sequence } : undefined;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
