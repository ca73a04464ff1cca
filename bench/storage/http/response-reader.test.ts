import { describe, expect, test } from "bun:test";
import { ProtocolError, ResponseReader } from "./response-reader.ts";

function read(text: string, step = text.length, bodiless = false) {
  const body: Uint8Array[] = [];
  const reader = new ResponseReader(bodiless, (bytes) => body.push(Uint8Array.from(bytes)));
  let done = false;
  for (let at = 0; at < text.length; at += step) {
    expect(done).toBe(false);
    done = reader.push(Buffer.from(text.slice(at, at + step), "latin1"));
  }
  return { done, head: reader.head, size: reader.bodySize, body: Buffer.concat(body).toString("latin1") };
}

const FIXED = 'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 5\r\n\r\nhello';
const CHUNKED =
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n6;name=value\r\npedia \r\n0\r\nx: y\r\n\r\n";

describe.each([1, 2, 3, 7, 1000])("in steps of %i bytes", (step) => {
  test("a body of known length is read whole", () => {
    const { done, head, body } = read(FIXED, step);
    expect({ done, status: head?.status, etag: head?.header("etag"), body }).toEqual({
      done: true,
      status: 200,
      etag: '"x"',
      body: "hello",
    });
  });

  test("chunks are joined; extensions and trailers are skipped", () => {
    expect(read(CHUNKED, step)).toMatchObject({ done: true, body: "wikipedia ", size: 10 });
  });

  test("an interim answer is passed over", () => {
    expect(read(`HTTP/1.1 100 Continue\r\n\r\n${FIXED}`, step)).toMatchObject({ done: true, body: "hello" });
  });
});

test("a header is found by its whole name, whatever its case and place", () => {
  const { head, size } = read(
    "HTTP/1.1 200 OK\r\nX-Length: length: 1\r\nCONTENT-LENGTH:2\r\nlast:  A b \r\n\r\nxx",
  );
  expect({ length: head?.header("content-length"), size }).toEqual({ length: "2", size: 2 });
  expect([
    head?.header("last"),
    head?.header("x-length"),
    head?.header("length"),
    head?.header("xx"),
  ]).toEqual(["A b", "length: 1", undefined, undefined]);
});

test("answers that never have a body end with their head", () => {
  expect(read("HTTP/1.1 204 No Content\r\n\r\n").done).toBe(true);
  expect(read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 1000, true).done).toBe(true);
  expect(read("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").done).toBe(true);
});

test.each([
  ["another protocol", "SSH-2.0-OpenSSH\r\n\r\n", "is no status line"],
  ["a body of unknown length", "HTTP/1.1 200 OK\r\n\r\nbody", "neither Content-Length nor chunks"],
  ["a bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "is no chunk size"],
  ["more than the response", `${FIXED}extra`, "after the end"],
  ["a head without end", `HTTP/1.1 200 OK\r\nx: ${"y".repeat(70_000)}`, "a head over"],
])("%s is refused", (_, text, message) => {
  expect(() => read(text)).toThrow(ProtocolError);
  expect(() => read(text)).toThrow(message);
});
