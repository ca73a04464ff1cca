// IPv4 and IPv6 addresses and CIDR ranges. An IPv4 address in IPv6 clothes (::ffff:192.0.2.1), as a dual-stack socket
// tells it, is that IPv4 address. The families are apart: ::/0 has no IPv4 address in it.

/** The address in network order: 4 or 16 bytes. */
type Bytes = readonly number[];

export interface IpRange {
  base: Bytes;
  /** How many leading bits count. */
  bits: number;
}

const MAPPED_BITS = 96;

/** An address, or undefined for what is none. */
export function parseIp(text: string): Bytes | undefined {
  const bytes = text.includes(":") ? ipv6(text) : ipv4(text);
  return bytes !== undefined && isMapped(bytes) ? bytes.slice(MAPPED_BITS / 8) : bytes;
}

/** `192.0.2.0/24`, `2001:db8::/32` or one address, or undefined for what is neither. Bits behind the prefix do not count. */
export function parseIpRange(text: string): IpRange | undefined {
  const [address, prefix, ...more] = text.split("/");
  const bytes = address!.includes(":") ? ipv6(address!) : ipv4(address!);
  if (bytes === undefined || more.length > 0) return undefined;
  if (prefix !== undefined && !/^(?:0|[1-9]\d{0,2})$/.test(prefix)) return undefined;
  const bits = prefix === undefined ? bytes.length * 8 : Number(prefix);
  if (bits > bytes.length * 8) return undefined;
  if (!isMapped(bytes) || bits < MAPPED_BITS) return { base: bytes, bits };
  return { base: bytes.slice(MAPPED_BITS / 8), bits: bits - MAPPED_BITS };
}

export function isInRange(address: Bytes, { base, bits }: IpRange): boolean {
  if (address.length !== base.length) return false;
  const whole = bits >> 3;
  for (let at = 0; at < whole; at++) if (address[at] !== base[at]) return false;
  const rest = bits & 7;
  return rest === 0 || (address[whole]! ^ base[whole]!) >> (8 - rest) === 0;
}

function isMapped(bytes: Bytes): boolean {
  return (
    bytes.length === 16 && bytes.every((byte, at) => at >= 12 || byte === (at === 10 || at === 11 ? 255 : 0))
  );
}

function ipv4(text: string): number[] | undefined {
  const parts = text.split(".");
  // A leading zero means octal to some readers and nothing to others.
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part))) return undefined;
  const bytes = parts.map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes : undefined;
}

function ipv6(text: string): number[] | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = groups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? groups(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const gap = 16 - head.length - tail.length;
  // "::" stands for at least one group.
  if (halves.length === 2 ? gap < 2 : gap !== 0) return undefined;
  return [...head, ...new Array<number>(gap).fill(0), ...tail];
}

/** The bytes of groups of hexadecimal digits; the last may be an IPv4 address where `endsAddress`. */
function groups(text: string, endsAddress: boolean): number[] | undefined {
  if (text === "") return [];
  const bytes: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (endsAddress && index === parts.length - 1 && part.includes(".")) {
      const embedded = ipv4(part);
      if (embedded === undefined) return undefined;
      bytes.push(...embedded);
    } else {
      if (!/^[0-9A-Fa-f]{1,4}$/.test(part)) return undefined;
      const group = Number.parseInt(part, 16);
      bytes.push(group >> 8, group & 255);
    }
  }
  return bytes.length <= 16 ? bytes : undefined;
}
