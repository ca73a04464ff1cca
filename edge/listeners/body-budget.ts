// Memory for the request bodies of a Bun.serve, which takes in the beginning of every body whether anybody reads it or
// not, and cannot be told to leave a socket alone. What holds it down is how many bodies there are: more are refused.

/** What it takes in of one body ahead of its reader, bytes: 1.2 to 1.8 MiB over HTTP/1.1, less over HTTP/2. */
const AHEAD_BYTES = 2 << 20;
/** Of all bodies under way: 64 large ones, or thousands of small ones. */
const HELD_BYTES_MAX = 128 << 20;

export class BodyBudget {
  private held = 0;

  constructor(private readonly bytesMax = HELD_BYTES_MAX) {}

  /** Room for the body of `request`, to be given back with {@link give}; undefined where there is none now. */
  take(request: Request): number | undefined {
    const bytes = heldBytes(request);
    if (bytes > 0 && this.held + bytes > this.bytesMax) return undefined;
    this.held += bytes;
    return bytes;
  }

  give(bytes: number): void {
    this.held -= bytes;
  }
}

/** The most that is held of the body at once. */
function heldBytes({ headers, body }: Request): number {
  if (body === null) return 0;
  const length = headers.get("content-length");
  return length === null ? AHEAD_BYTES : Math.min(Number(length) || 0, AHEAD_BYTES);
}
