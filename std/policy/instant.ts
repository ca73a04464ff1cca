const DATE =
  /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d))?)?)?$/;
const EPOCH_SECONDS = /^-?\d{1,12}(?:\.\d{1,9})?$/;

/**
 * Milliseconds since the epoch of an ISO 8601 date in one of the W3C forms, or of seconds since the epoch; undefined for
 * what is neither. Four digits are a year.
 */
export function parseInstant(value: string | number): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value * 1000 : undefined;
  const parts = DATE.exec(value);
  if (parts === null) return EPOCH_SECONDS.test(value) ? Number(value) * 1000 : undefined;
  const [, year, month = "01", day = "01", hour = "00", minute = "00", second = "00", fraction, zone] = parts;
  const wall = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const ms = Date.parse(wall);
  // Date.parse may carry the 31st of February over into March.
  if (Number.isNaN(ms) || new Date(ms).toISOString() !== wall) return undefined;
  return ms + (fraction === undefined ? 0 : Number(`0.${fraction}`) * 1000) - offsetMs(zone);
}

function offsetMs(zone = "Z"): number {
  if (zone === "Z") return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  return (zone.startsWith("-") ? -minutes : minutes) * 60_000;
}
