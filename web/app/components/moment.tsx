import { formatMoment, formatRelative } from "../format.ts";

/** A time as an age; the exact one is its tooltip. `at` and `now` in ms. */
export function Moment({ at, now }: { at: number; now: number }) {
  return (
    <time dateTime={new Date(at).toISOString()} title={formatMoment(at)}>
      {formatRelative(at, now)}
    </time>
  );
}
