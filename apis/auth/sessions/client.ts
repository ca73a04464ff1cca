/** Where a request comes from, as a session remembers it. */
export interface Client {
  /** The address, as the gateway gives it. */
  source: string;
  /** What the program calls itself; a claim, not a proof. At most {@link USER_AGENT_LENGTH_MAX} characters. */
  userAgent: string;
}

export const USER_AGENT_LENGTH_MAX = 256;

/** `header` as it may be stored and shown: printable ASCII of a bounded length. */
export function cleanUserAgent(header: string | undefined): string {
  return (header ?? "").replace(/[^\x20-\x7e]/g, "?").slice(0, USER_AGENT_LENGTH_MAX);
}
