const WIDTHS = ["62%", "48%", "71%", "39%", "56%", "66%"];

/** Grey rows in the shape of what is loading. */
export function SkeletonRows({ label, rows = 6 }: { label: string; rows?: number }) {
  return (
    <div className="skeleton" role="status" aria-label={label}>
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the rows are all alike and never move
        <div className="skeleton-row" key={row}>
          <span className="skeleton-box" />
          <span className="skeleton-bar" style={{ width: WIDTHS[row % WIDTHS.length] }} />
        </div>
      ))}
    </div>
  );
}
