// A read that fails at once (no replica, damaged data) must become an error answer. So a stream's first bytes are
// fetched before the status line goes out.
import type { OpenObject } from "./objects.ts";

/**
 * Answers of up to this many bytes are sent in one piece, without a stream. They leave the reader's memory budget, so
 * that what slow clients may hold of them is this times the requests that may be under way at once.
 */
const WHOLE_SIZE_MAX = 256 << 10;

/** The bytes [start, end) of `source`, at least one, once it has shown that it can give some; small ones whole. */
export async function whenFlowing(
  source: OpenObject,
  start: number,
  end: number,
): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  const held = source.held(start, end);
  if (held) return held;
  const size = end - start;
  const iterator = source.read(start, end)[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done) return new Uint8Array(0);
  return size <= WHOLE_SIZE_MAX ? gather(first.value, iterator, size) : resumed(first, iterator);
}

async function gather(
  first: Uint8Array,
  iterator: AsyncIterator<Uint8Array>,
  size: number,
): Promise<Uint8Array> {
  const pieces = [first];
  // To the very end, so that the source lets go of what it holds.
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) pieces.push(next.value);
  return pieces.length === 1 ? first : Buffer.concat(pieces, size);
}

/** Not a generator: `return()` before the first `next()` has to reach the source too. */
function resumed(
  first: IteratorResult<Uint8Array>,
  rest: AsyncIterator<Uint8Array>,
): AsyncIterable<Uint8Array> {
  let pending: IteratorResult<Uint8Array> | undefined = first;
  const iterator: AsyncIterableIterator<Uint8Array> = {
    [Symbol.asyncIterator]: () => iterator,
    next() {
      if (pending === undefined) return rest.next();
      const result = pending;
      pending = undefined;
      return Promise.resolve(result);
    },
    async return() {
      pending = undefined;
      await rest.return?.();
      return { done: true, value: undefined };
    },
  };
  return iterator;
}
