import { decodePathPart, encodePrefix } from "./prefix-path.ts";

export const ACCOUNT_PARTS = ["profile", "sessions", "tokens"] as const;
export type AccountPart = (typeof ACCOUNT_PARTS)[number];
export const ADMIN_PARTS = ["users", "groups", "roles", "audit", "settings"] as const;
export type AdminPart = (typeof ADMIN_PARTS)[number];
/** Those with a page for each of their things. */
const WITH_NAMES: readonly AdminPart[] = ["users", "groups", "roles"];

/** A place in the dashboard: all of it is in the URL, so that reload, back and shared links work. */
export type Route =
  | { page: "buckets" }
  | { page: "browser"; bucket: string; prefix: string }
  | { page: "keys" }
  | { page: "storage" }
  | { page: "account"; part: AccountPart }
  | { page: "admin"; part: AdminPart; name?: string }
  /** For whoever has forgotten the password: the token is in the fragment, which no server sees. */
  | { page: "password-reset" }
  /** For whoever has no account, where administrators allow it. */
  | { page: "sign-up" }
  | { page: "missing" };

/** Reads `location.pathname`. Never throws: what is no place is `missing`. */
export function parseRoute(pathname: string): Route {
  const [, first = "", ...rest] = pathname.split("/");
  if (rest.length === 0) {
    if (first === "" || first === "buckets") return { page: "buckets" };
    if (first === "keys" || first === "storage") return { page: first };
    if (first === "password-reset" || first === "sign-up") return { page: first };
  }
  if (first === "buckets") return parseBrowser(pathname);
  if (first === "account") return parseAccount(rest);
  if (first === "admin") return parseAdmin(rest);
  return { page: "missing" };
}

function parseBrowser(pathname: string): Route {
  if (pathname === "/buckets/") return { page: "buckets" };
  const match = /^\/buckets\/([^/]+)(?:\/(.*))?$/.exec(pathname);
  const bucket = match && decodePathPart(match[1]!);
  const prefix = match && decodePathPart(match[2] ?? "");
  if (!bucket || prefix === null || prefix === undefined) return { page: "missing" };
  return { page: "browser", bucket, prefix };
}

function parseAccount([named = "profile", ...more]: string[]): Route {
  const part = ACCOUNT_PARTS.find((each) => each === named);
  return part && more.length === 0 ? { page: "account", part } : { page: "missing" };
}

function parseAdmin([named = "users", encoded, ...more]: string[]): Route {
  const part = ADMIN_PARTS.find((each) => each === named);
  if (!part || more.length > 0) return { page: "missing" };
  if (encoded === undefined || encoded === "") return { page: "admin", part };
  const name = decodePathPart(encoded);
  return name && WITH_NAMES.includes(part) ? { page: "admin", part, name } : { page: "missing" };
}

export function formatRoute(route: Exclude<Route, { page: "missing" }>): string {
  switch (route.page) {
    case "buckets":
      return "/";
    case "keys":
    case "storage":
    case "password-reset":
    case "sign-up":
      return `/${route.page}`;
    case "account":
      return route.part === "profile" ? "/account" : `/account/${route.part}`;
    case "admin":
      return `/admin/${route.part}${route.name === undefined ? "" : `/${encodeURIComponent(route.name)}`}`;
    case "browser":
      return `/buckets/${encodeURIComponent(route.bucket)}/${encodePrefix(route.prefix)}`;
  }
}

/** The prefixes above and at `prefix`: "a/b/" gives a/ and a/b/, each with its own name. */
export function breadcrumbs(prefix: string): { name: string; prefix: string }[] {
  const crumbs: { name: string; prefix: string }[] = [];
  let start = 0;
  for (let slash = prefix.indexOf("/"); slash >= 0; slash = prefix.indexOf("/", start)) {
    crumbs.push({ name: prefix.slice(start, slash), prefix: prefix.slice(0, slash + 1) });
    start = slash + 1;
  }
  if (start < prefix.length) crumbs.push({ name: prefix.slice(start), prefix });
  return crumbs;
}
