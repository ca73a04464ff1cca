// Dates in HTTP headers (RFC 9110, 5.6.7), to the second.

/** `Sun, 06 Nov 1994 08:49:37 GMT`. */
export function httpDate(ms: number): string {
  return new Date(ms).toUTCString();
}

const ASCTIME = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$/;
const ZONED = /(GMT|UTC|Z|[+-]\d\d:?\d\d)$/;

/** ms since the epoch, or undefined for what is no date: a condition with such a date is ignored (RFC 9110, 13.1.3). */
export function parseHttpDate(text: string): number | undefined {
  // Without a zone a date would be read in this machine's own.
  const zoned = ASCTIME.test(text) ? `${text} GMT` : ZONED.test(text) ? text : undefined;
  const ms = zoned === undefined ? Number.NaN : Date.parse(zoned);
  return Number.isNaN(ms) ? undefined : ms;
}

/** The time as a client saw it in Last-Modified. */
export function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}
