// Where a provider may send this process (S13: SSRF). An administrator names the issuer and by that vouches for its host; the
// other addresses a provider names itself, and a provider on the internet must not point this process at a
// neighbour of ours. A name that leads elsewhere by the time of the request (DNS rebinding) is no way around it: TLS demands a
// certificate for the name, and what is in this network has none for a stranger's.
import { isInRange, parseIp, parseIpRange } from "../../../std/policy/ip-range.ts";
import { isTrustedTransport } from "./providers.ts";

/** The addresses of a host name; rejects where it has none. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

/** This machine, private and shared networks, neighbours on the link (with them clouds' metadata), translations, groups. */
const NOT_PUBLIC = [
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"],
  ...["192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3"],
  ...["::/127", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "fc00::/7", "fe80::/10", "ff00::/8"],
].map((range) => parseIpRange(range)!);

/** Whether the provider of `issuer` may have this process ask `url`: its own host, and what is public. */
export async function mayReach(issuer: URL, url: URL, resolve: Resolve): Promise<boolean> {
  if (!isTrustedTransport(url)) return false;
  if (url.protocol === "http:" && issuer.protocol !== "http:") return false;
  if (url.hostname === issuer.hostname) return true;
  // One of this machine or network may have its parts there. What a name leads to is for its owner to say: it is no proof.
  if (literal(issuer) !== undefined && !isPublicAddress(literal(issuer)!)) return true;
  const addresses = await addressesOf(url, resolve);
  return addresses.length > 0 && addresses.every(isPublicAddress);
}

async function addressesOf(url: URL, resolve: Resolve): Promise<readonly string[]> {
  const address = literal(url);
  return address === undefined ? resolve(url.hostname).catch(() => []) : [address];
}

/** The address that a URL has in place of a name. */
function literal({ hostname }: URL): string | undefined {
  if (hostname === "localhost") return "127.0.0.1";
  const text = hostname.replace(/^\[|\]$/g, "");
  return parseIp(text) === undefined ? undefined : text;
}

function isPublicAddress(address: string): boolean {
  const bytes = parseIp(address);
  return bytes !== undefined && !NOT_PUBLIC.some((range) => isInRange(bytes, range));
}
