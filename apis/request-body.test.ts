import { expect, test } from "bun:test";
import { type Clock, systemClock } from "../std/clock.ts";
import { DROPPED_BYTES_MAX, dropUnread, RequestBody } from "./request-body.ts";

/** A request whose body gives pieces of 1 MiB for ever, or `pieces` of them, and counts them. */
function endless(headers: Record<string, string> = {}, pieces = Number.POSITIVE_INFINITY) {
  const sent = { pieces: 0 };
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (sent.pieces++ < pieces) controller.enqueue(new Uint8Array(1 << 20));
        else controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  return { request: new Request("http://cloud.test/", { method: "PUT", headers, body }), sent };
}

test("what a handler leaves of a body can be dropped after it", async () => {
  const { request, sent } = endless({ "content-length": String(4 << 20) }, 4);
  const body = RequestBody.of(request)!;
  for await (const piece of body) {
    expect(piece.length).toBe(1 << 20);
    break;
  }
  expect(sent.pieces).toBe(1);
  await body.drop(systemClock);
  expect(await body.next()).toEqual({ done: true, value: undefined });
});

test("a body without an end is dropped up to the limit", async () => {
  const { request, sent } = endless();
  await dropUnread(request, systemClock);
  expect(sent.pieces).toBe((DROPPED_BYTES_MAX >> 20) + 1);
});

test("nothing is read of a body that is announced as longer", async () => {
  const { request, sent } = endless({ "content-length": String(DROPPED_BYTES_MAX + 1) });
  await dropUnread(request, systemClock);
  expect(sent.pieces).toBe(0);
});

test("a client that sends nothing is not waited for longer than the limit", async () => {
  let ring = () => {};
  const clock: Clock = {
    ...systemClock,
    after(_, run) {
      ring = run;
      return { cancel: () => {} };
    },
  };
  const body = new ReadableStream<Uint8Array>();
  const dropped = dropUnread(new Request("http://cloud.test/", { method: "PUT", body }), clock);
  ring();
  await dropped;
});

test("a body that somebody has read, or reads, is left alone", async () => {
  const { request: read } = endless({}, 1);
  await read.arrayBuffer();
  await dropUnread(read, systemClock);
  const { request: locked, sent } = endless();
  locked.body!.getReader();
  await dropUnread(locked, systemClock);
  expect(sent.pieces).toBe(0);
});
