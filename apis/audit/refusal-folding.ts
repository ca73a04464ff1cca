// Keeps floods out of the log: of equal events within a minute the first is an entry, and all the others are one more with a
// count. Whoever varies what is refused to get around that has only so many entries a minute; the rest are counted together.
import type { Clock, Timer } from "../../std/clock.ts";
import { ANONYMOUS, type AuditEvent, type Entry, entryOf, SYSTEM } from "./entry.ts";

export const WINDOW_MS = 60_000;
/** Different ones from one source that are kept apart, a window. */
export const SOURCE_ENTRIES_MAX = 60;
/** From everybody who is known, and again from strangers, who so cannot crowd out the others. */
export const ENTRIES_MAX = 600;

interface Fold {
  event: AuditEvent;
  /** Of those that are not in the log yet. */
  count: number;
  firstAt: number;
  lastAt: number;
}

/** Holds at most twice {@link ENTRIES_MAX} entries, and fewer totals than that. */
export class RefusalFolding {
  private folds = new Map<string, Fold>();
  private sources = new Map<string, number>();
  private separate = { known: 0, strangers: 0 };
  private windowEnd: Timer | undefined;

  /** `emit` gets the entries that are to be written. */
  constructor(
    private readonly clock: Clock,
    private readonly emit: (entry: Entry) => void,
  ) {}

  add(event: AuditEvent): void {
    const now = this.clock.now();
    this.windowEnd ??= this.clock.after(WINDOW_MS, () => this.flush());
    const fold = this.folds.get(keyOf(event));
    if (fold) count(fold, now);
    else if (this.takeSeparate(event)) {
      this.folds.set(keyOf(event), { event, count: 0, firstAt: now, lastAt: now });
      this.emit(entryOf(event, now));
    } else this.addToTotal(event, now);
  }

  /** Ends the window: writes what was counted. */
  flush(): void {
    this.windowEnd?.cancel();
    this.windowEnd = undefined;
    const folds = this.folds;
    this.folds = new Map();
    this.sources = new Map();
    this.separate = { known: 0, strangers: 0 };
    for (const { event, count, firstAt, lastAt } of folds.values()) {
      if (count === 0) continue;
      const details = { ...event.details, folded: count, first: iso(firstAt), last: iso(lastAt) };
      this.emit(entryOf({ ...event, details }, lastAt, count));
    }
  }

  private takeSeparate({ actor, source = "" }: AuditEvent): boolean {
    const who = actor.kind === ANONYMOUS.kind ? "strangers" : "known";
    const ofSource = this.sources.get(source) ?? 0;
    if (ofSource >= SOURCE_ENTRIES_MAX || this.separate[who] >= ENTRIES_MAX) return false;
    this.sources.set(source, ofSource + 1);
    this.separate[who]++;
    return true;
  }

  /** One total for each source that had its entries; one for all others. */
  private addToTotal({ actor, source = "", outcome }: AuditEvent, now: number): void {
    const ofSource = (this.sources.get(source) ?? 0) >= SOURCE_ENTRIES_MAX;
    const total: AuditEvent = {
      actor: SYSTEM,
      action: "audit:RefusalsFolded",
      resource: "",
      outcome,
      source: ofSource ? source : undefined,
      details: { actors: actor.kind === ANONYMOUS.kind ? "strangers" : "known" },
    };
    const fold = this.folds.get(keyOf(total));
    if (fold) count(fold, now);
    else this.folds.set(keyOf(total), { event: total, count: 1, firstAt: now, lastAt: now });
  }
}

function count(fold: Fold, now: number): void {
  fold.count++;
  fold.lastAt = now;
}

function keyOf({ actor, action, resource, outcome, code, source, details }: AuditEvent): string {
  const who = [actor.kind, actor.id, actor.credential];
  return JSON.stringify([
    who,
    action,
    resource,
    outcome,
    code,
    source,
    action.startsWith("audit:") && details,
  ]);
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
