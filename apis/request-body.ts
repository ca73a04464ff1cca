// The body of a request to a `fetch` function, which may be answered before all of it has come in: an early refusal.
//
// HTTP/2 allows the answer to come first, with a RST_STREAM of NO_ERROR behind it (RFC 9113, 8.1), which is what Bun sends.
// Clients do not all honour that: curl 7.88 goes on sending, finds its stream closed, and reports that in place of the
// answer. So what is left of a body is read and dropped before the answer is sent, within limits. Over HTTP/1.1 Bun
// drops the rest by itself, behind the answer.
import type { Clock } from "../std/clock.ts";

/**
 * How much of a body nobody wants is waited for, and how long. Of more, the client is told at once, and over HTTP/2 that
 * it must send no more; that is the cheaper way for both, where the client understands it.
 */
export const DROPPED_BYTES_MAX = 16 << 20;
export const DROPPED_MS_MAX = 5_000;

/** The bytes of a body, pulled; whoever stops early leaves the rest for {@link drop}, where a stream's own iterator would end it. */
export class RequestBody implements AsyncIterableIterator<Uint8Array> {
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  /** Bytes that are still to come, as far as the client has said. */
  private left: number;
  private ended = false;

  private constructor(stream: ReadableStream<Uint8Array>, headers: Headers) {
    this.reader = stream.getReader();
    this.left = Number(headers.get("content-length") ?? 0);
  }

  /** Of a request whose body nobody has touched; null where there is none. */
  static of({ body, headers }: Request): RequestBody | null {
    return body && new RequestBody(body, headers);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    const { done, value } = await this.reader.read();
    if (done) {
      this.ended = true;
      return { done, value: undefined };
    }
    this.left -= value.length;
    return { done, value };
  }

  /** Reads no further. */
  async return(): Promise<IteratorResult<Uint8Array>> {
    return { done: true, value: undefined };
  }

  /**
   * Reads what is left, up to {@link DROPPED_BYTES_MAX} and for {@link DROPPED_MS_MAX}; nothing at all of what is
   * announced as longer. Never rejects: a client that is gone needs no answer.
   */
  async drop(clock: Clock): Promise<void> {
    if (this.ended || this.left > DROPPED_BYTES_MAX) return;
    const late = Promise.withResolvers<undefined>();
    const timer = clock.after(DROPPED_MS_MAX, () => late.resolve(undefined));
    try {
      for (let dropped = 0; dropped <= DROPPED_BYTES_MAX; ) {
        const next = await Promise.race([this.next(), late.promise]);
        if (next === undefined || next.done) return;
        dropped += next.value.length;
      }
    } catch {
      // The client is gone, or has stopped sending.
    } finally {
      timer.cancel();
    }
  }
}

/** Drops the body of a request that was answered without a look at it; see {@link RequestBody.drop}. */
export async function dropUnread(request: Request, clock: Clock): Promise<void> {
  if (request.bodyUsed || request.body?.locked) return;
  await RequestBody.of(request)?.drop(clock);
}
