/** Where a request goes by its Host. */
export type HostTarget =
  /** The dashboard, and each API under its path. */
  | { kind: "console" }
  /** S3: path style, or the bucket is the first label. */
  | { kind: "s3" }
  /** One API at the root of its own host. */
  | { kind: "service"; service: string }
  /** A host of ours that nothing answers at in this version. */
  | { kind: "unserved"; name: string };

const SERVICES = new Set(["auth"]);
const UNSERVED = new Set(["compute", "health", "notifications", "docs"]);
const HOST = /^(?:[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\])$/;

/**
 * A Host header as one canonical name: lower case, without port and trailing dot. Undefined where it is no host.
 * Everything that decides by host decides by this.
 */
export function normaliseHost(header: string | null | undefined): string | undefined {
  if (!header || header.length > 260) return undefined;
  const match = /^(.*?)(?::(\d{1,5}))?$/.exec(header.toLowerCase())!;
  const name = match[1]!.endsWith(".") ? match[1]!.slice(0, -1) : match[1]!;
  return HOST.test(name) && !name.includes("..") ? name : undefined;
}

/** What is at `host`, a name by {@link normaliseHost}. Any host that is not ours is taken for the console. */
export function targetOfHost(host: string, domain: string): HostTarget {
  if (!host.endsWith(`.${domain}`)) return { kind: "console" };
  const label = host.slice(0, -domain.length - 1);
  if (label === "storage" || label.endsWith(".storage")) return { kind: "s3" };
  if (SERVICES.has(label)) return { kind: "service", service: label };
  if (UNSERVED.has(label) || label.endsWith(".apps")) return { kind: "unserved", name: label };
  return { kind: "console" };
}
