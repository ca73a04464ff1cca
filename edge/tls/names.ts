import { isIP } from "node:net";

export interface CertificateNames {
  /** Host names and wildcards, lower case. */
  dns: string[];
  ip: string[];
}

/** What the gateway is called by: under its domain, and without any DNS. */
export function certificateNames(domain: string, host: string): CertificateNames {
  const dns = [domain, "localhost"];
  // A wildcard stands for one label (RFC 6125, section 6.4.3), so each level has its own.
  for (const parent of [domain, `storage.${domain}`, `apps.${domain}`]) dns.push(`*.${parent}`);
  dns.push(`storage.${domain}`);
  const ip = ["127.0.0.1", "::1"];
  if (isIP(host) === 0) dns.push(host.toLowerCase());
  else if (!isWildcard(host)) ip.push(host);
  return { dns: [...new Set(dns)].sort(), ip: [...new Set(ip)].sort() };
}

/** Whether `host` means "all addresses of this machine", which is no name of anything. */
export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}
