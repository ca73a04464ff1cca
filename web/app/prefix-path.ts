/**
 * A prefix as it stands in the address bar: each segment percent-encoded, slashes kept. One with `.` or `..` segments
 * has its slashes encoded too, because every browser resolves such segments away (WHATWG URL, "path state").
 */
export function encodePrefix(key: string): string {
  const segments = key.split("/");
  if (segments.some((segment) => segment === "." || segment === "..")) return encodeURIComponent(key);
  return segments.map(encodeURIComponent).join("/");
}

/** The inverse of {@link encodePrefix}; undefined where `path` is not well-formed percent-encoding. */
export function decodePathPart(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
