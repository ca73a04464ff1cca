/** Seven days, the longest that S3 lets a presigned URL live. */
export const PRESIGN_SECONDS_MAX = 604_800;

const BASIC = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/;
/** IMF-fixdate, the one form of RFC 9110 section 5.6.7 that may be generated; some clients write +0000 for GMT. */
const IMF_FIXDATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} (?:GMT|\+0000)$/;

/** The last one that was formatted or parsed: requests of one second share it, and each is looked at several times. */
let recent = { second: 0, text: "19700101T000000Z" };

/** `20130524T000000Z` for ms since the Unix epoch. */
export function formatTimestamp(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second === recent.second) return recent.text;
  const text = `${new Date(ms).toISOString().slice(0, 19).replace(/[-:]/g, "")}Z`;
  recent = { second, text };
  return text;
}

/** ms since the Unix epoch of `20130524T000000Z`, or undefined where it is none or names no real day or second. */
export function parseTimestamp(text: string): number | undefined {
  if (text === recent.text) return recent.second * 1000;
  const match = BASIC.exec(text);
  if (!match) return undefined;
  const [, year, month, day, hour, minute, second] = match.map(Number) as [number, ...number[]];
  const ms = Date.UTC(year!, month! - 1, day, hour, minute, second);
  return formatTimestamp(ms) === text ? ms : undefined;
}

/** The same of a `Date` header, in either form. */
export function parseDateHeader(text: string): number | undefined {
  if (!IMF_FIXDATE.test(text)) return parseTimestamp(text);
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
