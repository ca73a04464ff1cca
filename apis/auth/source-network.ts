import { isIPv6 } from "node:net";

/**
 * The network that an address stands for when attempts are counted: an IPv6 subscriber owns at least a /64, and could
 * come from another address of it each time. Anything else is taken as it is.
 */
export function sourceNetwork(address: string): string {
  const plain = address.replace(/%.*$/, "").toLowerCase();
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain)?.[1];
  if (mapped) return mapped;
  if (!isIPv6(plain)) return plain;
  const [left = "", right] = plain.split("::");
  const head = groups(left);
  const tail = right === undefined ? [] : groups(right);
  const zeros = Array<string>(Math.max(0, 8 - head.length - tail.length)).fill("0");
  const all = right === undefined ? head : [...head, ...zeros, ...tail];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}

function groups(text: string): string[] {
  return text === "" ? [] : text.split(":");
}
