// A response body into a node:http response: at the pace of the client, and no further than it stays.
import type { ServerResponse } from "node:http";
import type { Clock } from "../../../std/clock.ts";

/** A client that takes nothing for so long is given up. */
const IDLE_MS = 60_000;

/**
 * Sends all of `body`. Where the client goes away the source's `return()` is called; where the source fails the
 * connection is cut, since a status was sent already: the client sees fewer bytes than Content-Length said.
 */
export async function sendStream(
  response: ServerResponse,
  body: AsyncIterable<Uint8Array>,
  clock: Clock,
): Promise<{ error?: unknown }> {
  const iterator = body[Symbol.asyncIterator]();
  // At once, not when the next bytes are there: storage may be waiting for a slow replica.
  const leave = (): void => void iterator.return?.().catch(() => {});
  response.once("close", leave);
  try {
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
      if (response.destroyed) break;
      if (!response.write(next.value)) await settled(response, "drain", clock);
      if (response.destroyed) break;
    }
    if (!response.destroyed) response.end();
    return {};
  } catch (error) {
    response.destroy();
    return { error };
  } finally {
    response.off("close", leave);
    await iterator.return?.();
  }
}

/** Sends `body` and waits until the client took it, however small it is: a slow client is a request under way. */
export function sendWhole(
  response: ServerResponse,
  body: string | Uint8Array | undefined,
  clock: Clock,
): Promise<void> | undefined {
  response.end(body);
  return response.writableFinished ? undefined : settled(response, "finish", clock);
}

function settled(response: ServerResponse, event: "drain" | "finish", clock: Clock): Promise<void> {
  // A client that left already sends no further event.
  if (response.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const idle = clock.after(IDLE_MS, () => response.destroy());
    const settle = (): void => {
      idle.cancel();
      response.off(event, settle);
      response.off("close", settle);
      resolve();
    };
    response.once(event, settle);
    response.once("close", settle);
  });
}
