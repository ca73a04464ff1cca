import { describe, expect, test } from "bun:test";
import {
  decodeFrameHeader,
  encodeFrameHeader,
  FRAME_HEADER_SIZE,
  FrameDecoder,
  type FrameHeader,
  FrameKind,
} from "./frame.ts";

const LIMITS = { metaSizeMax: 100, bodySizeMax: 1000 };

function frame(meta: Buffer, body: Buffer, change: Partial<FrameHeader> = {}): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_SIZE);
  encodeFrameHeader(header, 0, {
    kind: FrameKind.request,
    opcode: 16,
    requestId: 9,
    metaSize: meta.length,
    bodySize: body.length,
    metaCrc: Bun.hash.crc32(meta),
    ...change,
  });
  return Buffer.concat([header, meta, body]);
}

/** The frames that `pushes` make, as `opcode:meta:body`. */
function decode(pushes: Uint8Array[]): string[] {
  const frames: string[] = [];
  const decoder = new FrameDecoder(LIMITS, ({ opcode }, meta, body) =>
    frames.push(`${opcode}:${meta}:${body}`),
  );
  for (const bytes of pushes) decoder.push(bytes);
  return frames;
}

describe("a frame header", () => {
  test("has the bytes that its comment lays out", () => {
    expect(frame(Buffer.from("m"), Buffer.from("bb")).toString("hex", 0, FRAME_HEADER_SIZE)).toBe(
      [
        "534b4631", // SKF1
        "01", // version
        "00", // request
        "1000",
        "09000000",
        "01000000",
        "02000000",
        "68f201e1",
        "00000000",
        "8495b72d",
      ].join(""),
    );
  });

  test("comes back as it went in", () => {
    const header: FrameHeader = {
      kind: FrameKind.notify,
      opcode: 0xffff,
      requestId: 0xffff_ffff,
      metaSize: 100,
      bodySize: 1000,
      metaCrc: 0xdead_beef,
    };
    const bytes = Buffer.alloc(FRAME_HEADER_SIZE);
    encodeFrameHeader(bytes, 0, header);
    expect(decodeFrameHeader(bytes, LIMITS)).toEqual(header);
  });

  test("is rejected with any single bit flipped", () => {
    const bytes = frame(Buffer.alloc(0), Buffer.alloc(0));
    for (let bit = 0; bit < FRAME_HEADER_SIZE * 8; bit++) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => decodeFrameHeader(damaged, LIMITS)).toThrow(
        expect.objectContaining({ code: "BAD_FRAME" }),
      );
    }
  });

  test("of another version is told from a damaged one", () => {
    const bytes = frame(Buffer.alloc(0), Buffer.alloc(0));
    bytes.writeUInt8(2, 4);
    bytes.writeUInt32LE(Bun.hash.crc32(bytes.subarray(0, 28)), 28);
    expect(() => decodeFrameHeader(bytes, LIMITS)).toThrow(expect.objectContaining({ code: "BAD_VERSION" }));
  });

  test("one over each limit is refused before a byte of it is held", () => {
    for (const change of [{ metaSize: 101 }, { bodySize: 1001 }]) {
      const bytes = frame(Buffer.alloc(0), Buffer.alloc(0), change);
      expect(() => decodeFrameHeader(bytes, LIMITS)).toThrow(expect.objectContaining({ code: "TOO_LARGE" }));
    }
    const atLimit = frame(Buffer.alloc(100), Buffer.alloc(1000));
    expect(decodeFrameHeader(atLimit, LIMITS)).toMatchObject({ metaSize: 100, bodySize: 1000 });
  });
});

describe("the frame decoder", () => {
  const stream = Buffer.concat([
    frame(Buffer.from("one"), Buffer.from("first"), { opcode: 1 }),
    frame(Buffer.alloc(0), Buffer.alloc(0), { opcode: 2 }),
    frame(Buffer.from("three"), Buffer.alloc(0), { opcode: 3 }),
    frame(Buffer.alloc(0), Buffer.from("fourth"), { opcode: 4 }),
  ]);
  const frames = ["1:one:first", "2::", "3:three:", "4::fourth"];

  test("finds the same frames in one piece and byte by byte", () => {
    expect(decode([stream])).toEqual(frames);
    expect(decode(Array.from(stream, (byte) => Buffer.from([byte])))).toEqual(frames);
  });

  test("finds the same frames with the stream cut in two anywhere", () => {
    for (let cut = 1; cut < stream.length; cut++) {
      expect(decode([stream.subarray(0, cut), stream.subarray(cut)])).toEqual(frames);
    }
  });

  test("gives a body that is wanted in pieces uncopied, and as one where the stream dribbles", () => {
    for (const size of [1, 2, 3, 7, 33, 500, 2000]) {
      const body = Buffer.from(Array.from({ length: 1000 }, (_, i) => i));
      const bytes = Buffer.concat([
        frame(Buffer.from("m"), body),
        frame(Buffer.alloc(0), body, { opcode: 17 }),
      ]);
      const found: (Buffer | Buffer[])[] = [];
      const decoder = new FrameDecoder(
        LIMITS,
        (_, __, given) => found.push(given),
        ({ opcode }) => opcode === 17,
      );
      for (let at = 0; at < bytes.length; at += size) decoder.push(bytes.subarray(at, at + size));
      expect(decoder.midFrame).toBe(false);
      const [whole, pieces] = found;
      expect(whole).toEqual(body);
      expect(Array.isArray(pieces)).toBe(size >= 33);
      expect(Buffer.concat([pieces!].flat())).toEqual(body);
      if (size === 500) expect((pieces as Buffer[])[0]!.buffer).toBe(bytes.buffer);
    }
  });

  test("tells what an answer in pieces still lacks, and nothing of other frames", () => {
    const body = Buffer.alloc(1000, 1);
    const answer = frame(Buffer.from("m"), body, { kind: FrameKind.response });
    const decoder = new FrameDecoder(
      LIMITS,
      () => {},
      () => true,
    );
    const missing = [answer.subarray(0, 30), answer.subarray(30, 133), answer.subarray(133)].map((bytes) => {
      decoder.push(bytes);
      return decoder.missingAnswer;
    });
    expect(missing).toEqual([0, 900, 0]);
    decoder.push(frame(Buffer.from("m"), body).subarray(0, 500));
    expect(decoder.missingAnswer).toBe(0);
  });

  test("delivers a frame without meta and body with its header's last byte", () => {
    expect(decode([frame(Buffer.alloc(0), Buffer.alloc(0))])).toEqual(["16::"]);
  });

  test("rejects meta that fails its checksum", () => {
    const bytes = frame(Buffer.from("meta"), Buffer.alloc(0), { metaCrc: 1 });
    expect(() => decode([bytes])).toThrow(expect.objectContaining({ code: "BAD_FRAME" }));
  });
});
