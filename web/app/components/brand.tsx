/** The mark: a skerry, a rock that the sea leaves dry. */
export function Brand({ size = 28 }: { size?: number }) {
  return (
    <span className="brand">
      <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
        <rect className="brand-sea" width="32" height="32" rx="8" />
        <path
          className="brand-rock"
          d="M5 20.5 11.2 11a1.2 1.2 0 0 1 2-.1l3 4.1 2.2-2.4a1.2 1.2 0 0 1 1.9.2L27 20.5Z"
        />
        <path
          className="brand-wave"
          d="M5 25c1.9 0 1.9-1.3 3.7-1.3s1.8 1.3 3.6 1.3 1.9-1.3 3.7-1.3 1.8 1.3 3.7 1.3 1.8-1.3 3.6-1.3S25.1 25 27 25"
        />
      </svg>
      <span className="brand-name">Skerry</span>
    </span>
  );
}
