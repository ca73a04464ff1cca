/** Where a request to the console's host goes by its path. */
export type PathTarget =
  | { kind: "health" }
  | { kind: "service"; service: string }
  /** Under /api/, but no API's name. */
  | { kind: "no-service" }
  | { kind: "site" };

const SERVICE = /^\/api\/([a-z]+)(?:\/|$)/;

/**
 * `path` is a URL's path as the server parsed it: dot segments are resolved, nothing is decoded. The name of a service
 * is plain letters, so no other spelling of a path can reach a service, or get around one.
 */
export function targetOfPath(path: string): PathTarget {
  if (path === "/healthz") return { kind: "health" };
  const service = SERVICE.exec(path)?.[1];
  if (service !== undefined) return { kind: "service", service };
  // However it is spelled: an API's caller must not get a web page for an answer.
  return /^\/+api(?:[/%;]|$)/i.test(path) ? { kind: "no-service" } : { kind: "site" };
}
