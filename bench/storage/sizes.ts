const UNITS = ["B", "KiB", "MiB", "GiB"] as const;
/** S3's limit on one PUT. */
const SIZE_MAX = 5 * 2 ** 30;

/** Bytes of "4KiB", "64 MiB", "100" or "100B"; throws `RangeError` that says what is allowed. */
export function parseSize(text: string): number {
  const match = /^(\d+)\s*(B|KiB|MiB|GiB)?$/i.exec(text.trim());
  const unit = UNITS.findIndex((name) => name.toLowerCase() === (match?.[2] ?? "B").toLowerCase());
  const size = match ? Number(match[1]) * 1024 ** unit : Number.NaN;
  if (!(size <= SIZE_MAX)) {
    throw new RangeError(`"${text}" is no object size: write e.g. 4KiB, 1MiB, at most 5GiB`);
  }
  return size;
}

/** The shortest form that {@link parseSize} reads back exactly. */
export function formatSize(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (unit < UNITS.length - 1 && value >= 1024 && value % 1024 === 0) {
    value /= 1024;
    unit++;
  }
  return `${value}${UNITS[unit]}`;
}
