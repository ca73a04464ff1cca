// Values as people read them. Names come from anybody: what would hide or reorder text is made visible.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** Bytes with three significant digits: 0 B, 1.00 KiB, 12.3 MiB. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} B`;
  let unit = 0;
  let value = bytes;
  // 999.5 would print as 1000: four digits belong to the next unit.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** "1 object", "2 objects". */
export function formatPlural(count: number, noun: string, plural = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : plural}`;
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** `at` and `now` in ms since the epoch: "3 minutes ago", "just now". */
export function formatRelative(at: number, now: number): string {
  const seconds = Math.round((at - now) / 1000);
  for (const [unit, size] of STEPS) {
    // What is ahead is rounded: a token made for 30 days ends in 30 days, not in 29.
    const count = seconds > 0 ? Math.round(seconds / size) : Math.trunc(seconds / size);
    if (Math.abs(seconds) >= size) return relative.format(count, unit);
  }
  return "just now";
}

export function formatMoment(at: number): string {
  return new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

/** Controls, what makes "gpj.exe" read as "exe.jpg" (Unicode TR36, 2.8), and what has no width. */
const INVISIBLE = /[\p{Cc}\p{Bidi_Control}\u200b\u2028\u2029\u2060\ufeff]/gu;

const CONTROL_NAMES: Record<string, string> = { "\n": "LF", "\r": "CR", "\t": "TAB", "\0": "NUL" };

/** `name` with every control character shown by its name or code point, in marks that every font has. */
export function visibleName(name: string): string {
  return name.replace(INVISIBLE, (character) => {
    const code = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
    return `‹${CONTROL_NAMES[character] ?? `U+${code}`}›`;
  });
}

/** Orders as the storage does: by UTF-8 bytes, which is by code point (not by UTF-16 unit, as `<` does). */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  if (i === length) return a.length - b.length;
  const left = a.charCodeAt(i);
  const right = b.charCodeAt(i);
  // A surrogate stands for a code point above every plain unit; units from U+E000 sort below it.
  const lift = (unit: number) => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);
  return lift(left) - lift(right);
}
