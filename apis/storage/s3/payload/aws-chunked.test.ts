import { expect, test } from "bun:test";
import { ChunkSigning } from "../auth/chunk-signing.ts";
import {
  AwsChunkedDecoder,
  type ChunkedOptions,
  LINE_LENGTH_MAX,
  SIGNED_CHUNK_SIZE_MIN,
} from "./aws-chunked.ts";
import { PayloadError } from "./errors.ts";
import { encodeAwsChunked } from "./testing/aws-chunked-encode.ts";

const SIGNING = new ChunkSigning(
  Buffer.alloc(32, 7),
  "20130524T000000Z",
  "20130524/us-east-1/s3/aws4_request",
  "5".repeat(64),
);
const NAME = "x-amz-checksum-crc32";
const TRAILER = { name: NAME, value: "AAAAAA==" };
const DATA = Buffer.from(Array.from({ length: 40_000 }, (_, i) => (i * 31) & 0xff));
const CHUNKS = [DATA.subarray(0, 20_000), DATA.subarray(20_000, 30_000), DATA.subarray(30_000)];

const UNSIGNED: ChunkedOptions = {
  signing: undefined,
  decodedLength: DATA.length,
  trailer: true,
  trailerName: NAME,
};
const SIGNED: ChunkedOptions = {
  signing: SIGNING,
  decodedLength: DATA.length,
  trailer: false,
  trailerName: undefined,
};
const SIGNED_TRAILER: ChunkedOptions = { ...UNSIGNED, signing: SIGNING };

const UNSIGNED_BODY = encodeAwsChunked(CHUNKS, { trailer: TRAILER });
const SIGNED_BODY = encodeAwsChunked(CHUNKS, { signing: SIGNING });
const SIGNED_TRAILER_BODY = encodeAwsChunked(CHUNKS, { signing: SIGNING, trailer: TRAILER });

const MODES = [
  ["unsigned with trailer", UNSIGNED, UNSIGNED_BODY],
  ["signed", SIGNED, SIGNED_BODY],
  ["signed with trailer", SIGNED_TRAILER, SIGNED_TRAILER_BODY],
] as const;

/** Decodes `body` cut at the lengths that `cut` gives. */
function decode(options: ChunkedOptions, body: Uint8Array, cut: () => number = () => body.length): Buffer {
  const decoder = new AwsChunkedDecoder(options);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < body.length; ) {
    const length = Math.max(1, cut());
    pieces.push(...decoder.push(body.subarray(at, at + length)));
    at += length;
  }
  decoder.finish();
  expect(decoder.trailerValue).toBe(options.trailerName === undefined ? undefined : TRAILER.value);
  return Buffer.concat(pieces);
}

function refusal(options: ChunkedOptions, body: Uint8Array | string): string {
  try {
    decode(options, typeof body === "string" ? Buffer.from(body, "latin1") : body);
    return "accepted";
  } catch (error) {
    if (error instanceof PayloadError) return error.code;
    throw error;
  }
}

function seeded(seed: number): (limit: number) => number {
  return (limit) => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return (seed >>> 8) % limit;
  };
}

for (const [name, options, body] of MODES) {
  test(`${name}: whole, byte by byte, and at 300 random splits the same data comes out`, () => {
    expect(decode(options, body).equals(DATA)).toBe(true);
    expect(decode(options, body, () => 1).equals(DATA)).toBe(true);
    for (let seed = 1; seed <= 300; seed++) {
      const below = seeded(seed);
      expect(decode(options, body, () => below(below(2) === 0 ? 100 : 20_000)).equals(DATA)).toBe(true);
    }
  });

  test(`${name}: data is handed out as views, not as copies`, () => {
    const pieces = new AwsChunkedDecoder(options).push(body);
    expect(pieces.map((piece) => piece.length)).toEqual([20_000, 10_000, 10_000]);
    expect(pieces.every((piece) => piece.buffer === body.buffer)).toBe(true);
  });

  test(`S03, ${name}: cut off anywhere, the body is refused`, () => {
    const below = seeded(7);
    const cuts = [0, 1, body.length - 1, body.length - 2, body.length - 3, body.length - 4];
    for (let i = 0; i < 300; i++) cuts.push(below(body.length));
    for (let i = 4; i < 200; i++) cuts.push(body.length - i);
    for (const cut of cuts) {
      expect(refusal(options, body.subarray(0, cut))).not.toBe("accepted");
      expect(() => decode(options, body.subarray(0, cut))).toThrow(PayloadError);
    }
  });

  test(`S03, ${name}: a body without its last chunk is refused`, () => {
    const lastChunk = body.indexOf(name === "unsigned with trailer" ? "\r\n0\r\n" : "\r\n0;") + 2;
    expect(refusal(options, body.subarray(0, lastChunk))).toBe("IncompleteBody");
    expect(refusal(options, Buffer.concat([body.subarray(0, lastChunk), Buffer.from("\r\n")]))).toBe(
      "IncompleteBody",
    );
  });

  test(`S03, ${name}: a decoded length that is not what arrives is refused`, () => {
    for (const decodedLength of [DATA.length - 1, DATA.length + 1, 0, Number.MAX_SAFE_INTEGER]) {
      expect(refusal({ ...options, decodedLength }, body)).toBe("IncompleteBody");
    }
  });

  test(`${name}: data behind the end is refused`, () => {
    for (const more of ["x", "0\r\n\r\n", "\r\n".repeat(20)]) {
      expect(refusal(options, Buffer.concat([body, Buffer.from(more)]))).toBe("IncompleteBody");
    }
  });
}

test("S03: a flipped bit anywhere in a signed body is refused, or harmless", () => {
  for (const [options, body] of [
    [SIGNED, SIGNED_BODY],
    [SIGNED_TRAILER, SIGNED_TRAILER_BODY],
  ] as const) {
    const framing = [0, 20_090, 30_180, 40_260].flatMap((at) =>
      Array.from({ length: 400 }, (_, i) => at + i - 100),
    );
    const below = seeded(3);
    const places = [...framing, ...Array.from({ length: 300 }, () => below(body.length))];
    for (const at of places.filter((place) => place >= 0 && place < body.length)) {
      const flipped = Buffer.from(body);
      flipped[at]! ^= 1 << below(8);
      // Harmless are another case of a hex size or header name and CR for LF in blank lines: the data is the same.
      let data: Buffer | undefined;
      try {
        data = decode(options, flipped);
      } catch (error) {
        expect(error).toBeInstanceOf(PayloadError);
      }
      if (data) expect(data.equals(DATA)).toBe(true);
    }
  }
});

test("S03: flipped data in any chunk is SignatureDoesNotMatch", () => {
  for (const at of [100, 20_200, 30_400]) {
    const flipped = Buffer.from(SIGNED_BODY);
    flipped[at]! ^= 1;
    expect(refusal(SIGNED, flipped)).toBe("SignatureDoesNotMatch");
  }
});

test("S03: chunks that are swapped, dropped, repeated or of another request are refused", () => {
  const encoded = SIGNED_BODY;
  const second = encoded.indexOf("\r\n2710;") + 2;
  const third = encoded.indexOf("\r\n2710;", second) + 2;
  const last = encoded.indexOf("\r\n0;") + 2;
  const [a, b, c, end] = [
    encoded.subarray(0, second),
    encoded.subarray(second, third),
    encoded.subarray(third, last),
    encoded.subarray(last),
  ];
  const same = (...parts: Uint8Array[]) => refusal(SIGNED, Buffer.concat(parts));
  expect(same(a, b, c, end)).toBe("accepted");
  expect(same(a, c, b, end)).toBe("SignatureDoesNotMatch");
  expect(same(b, a, c, end)).toBe("SignatureDoesNotMatch");
  expect(same(a, b, b, end)).toBe("SignatureDoesNotMatch");
  expect(refusal({ ...SIGNED, decodedLength: 30_000 }, Buffer.concat([a, b, end]))).toBe(
    "SignatureDoesNotMatch",
  );
  const other = new ChunkSigning(Buffer.alloc(32, 7), "20130524T000000Z", "s", "6".repeat(64));
  expect(refusal({ ...SIGNED, signing: other }, encoded)).toBe("SignatureDoesNotMatch");
});

test("S03: a signed trailer that is changed, missing, unsigned or signed wrongly is refused", () => {
  const text = SIGNED_TRAILER_BODY.toString("latin1");
  const signature = /x-amz-trailer-signature:[0-9a-f]{64}\r\n/;
  expect(refusal(SIGNED_TRAILER, text)).toBe("accepted");
  expect(refusal(SIGNED_TRAILER, text.replace("AAAAAA==", "AAAAAQ=="))).toBe("SignatureDoesNotMatch");
  expect(refusal(SIGNED_TRAILER, text.replace(signature, ""))).toBe("IncompleteBody");
  expect(refusal(SIGNED_TRAILER, text.replace(signature, "\r\n"))).toBe("SignatureDoesNotMatch");
  expect(
    refusal(SIGNED_TRAILER, text.replace(signature, `x-amz-trailer-signature:${"0".repeat(64)}\r\n`)),
  ).toBe("SignatureDoesNotMatch");
  expect(
    refusal(
      SIGNED_TRAILER,
      text.replace(signature, (line) => line + line),
    ),
  ).toBe("MalformedTrailerError");
  expect(refusal(SIGNED_TRAILER, text.replace(`${NAME}:AAAAAA==\r\n`, ""))).toBe("MalformedTrailerError");
});

test("a trailer must bring exactly what was announced", () => {
  const text = UNSIGNED_BODY.toString("latin1");
  const line = `${NAME}:AAAAAA==\r\n`;
  expect(refusal(UNSIGNED, text.replace(line, ""))).toBe("MalformedTrailerError");
  expect(refusal(UNSIGNED, text.replace(NAME, "x-amz-checksum-sha1"))).toBe("MalformedTrailerError");
  expect(refusal(UNSIGNED, text.replace(line, line + line))).toBe("MalformedTrailerError");
  expect(refusal(UNSIGNED, text.replace(line, `${line}x-amz-acl:public-read\r\n`))).toBe(
    "MalformedTrailerError",
  );
  expect(refusal(UNSIGNED, text.replace(":AAAAAA==", ""))).toBe("MalformedTrailerError");
  expect(refusal({ ...UNSIGNED, trailerName: undefined }, text)).toBe("MalformedTrailerError");
  expect(refusal({ ...SIGNED_TRAILER, trailer: false, trailerName: undefined }, SIGNED_TRAILER_BODY)).toBe(
    "MalformedTrailerError",
  );
});

test("trailers as minio-go writes them, with bare LF and more blank lines, are accepted", () => {
  const unsigned = UNSIGNED_BODY.toString("latin1");
  expect(refusal(UNSIGNED, unsigned.replace("==\r\n", "==\n\r\n"))).toBe("accepted");
  const signed = SIGNED_TRAILER_BODY.toString("latin1");
  expect(refusal(SIGNED_TRAILER, signed.replace("==\r\n", "==\n\r\n"))).toBe("accepted");
});

test("an empty body in each mode is the last chunk alone", () => {
  const empty = (options: ChunkedOptions, encode: Parameters<typeof encodeAwsChunked>[1]) =>
    refusal({ ...options, decodedLength: 0 }, encodeAwsChunked([], encode));
  expect(empty(UNSIGNED, { trailer: TRAILER })).toBe("accepted");
  expect(empty(SIGNED, { signing: SIGNING })).toBe("accepted");
  expect(empty(SIGNED_TRAILER, { signing: SIGNING, trailer: TRAILER })).toBe("accepted");
  expect(refusal({ ...UNSIGNED, decodedLength: 0 }, "")).toBe("IncompleteBody");
});

for (const size of [
  "-1",
  "+1",
  "0x10",
  " 10",
  "10 ",
  "",
  "g",
  "1.5",
  "1e3",
  "ffffffffffffffff",
  "fffffffffffffffff",
  "10000000000000001",
  "9c41",
  "٣",
]) {
  test(`S03: a chunk size of "${size}" is refused`, () => {
    expect(
      refusal(UNSIGNED, Buffer.concat([Buffer.from(`${size}\r\n`), DATA, Buffer.from("\r\n0\r\n\r\n")])),
    ).toBe("IncompleteBody");
  });
}

test("a size in upper case and with leading zeros is the same size", () => {
  const body = Buffer.concat([
    Buffer.from("0000000000009C40\r\n"),
    DATA,
    Buffer.from(`\r\n0\r\n${NAME}:AAAAAA==\r\n\r\n`),
  ]);
  expect(refusal(UNSIGNED, body)).toBe("accepted");
});

test("S03: a chunk larger than what is left is refused by its line, before its data is taken", () => {
  const decoder = new AwsChunkedDecoder(UNSIGNED);
  expect(() => decoder.push(Buffer.from(`${(DATA.length + 1).toString(16)}\r\n`))).toThrow(PayloadError);
});

test("S03: a line without end is refused at its limit and not buffered", () => {
  const decoder = new AwsChunkedDecoder(UNSIGNED);
  decoder.push(Buffer.alloc(LINE_LENGTH_MAX, "0"));
  expect(() => decoder.push(Buffer.from("0"))).toThrow(PayloadError);
  expect(refusal(UNSIGNED, "1".repeat(1e6))).toBe("IncompleteBody");
  const longTrailer = UNSIGNED_BODY.toString("latin1").replace("AAAAAA==", "A".repeat(1e6));
  expect(refusal(UNSIGNED, longTrailer)).toBe("IncompleteBody");
  const trailers = UNSIGNED_BODY.toString("latin1").replace(/\r\n$/, "\n".repeat(1e4));
  expect(refusal(UNSIGNED, trailers)).toBe("IncompleteBody");
});

test("chunk extensions other than the signature are refused", () => {
  const text = UNSIGNED_BODY.toString("latin1");
  expect(refusal(UNSIGNED, text.replace("4e20\r\n", "4e20;a=b\r\n"))).toBe("IncompleteBody");
  expect(refusal(UNSIGNED, SIGNED_TRAILER_BODY)).toBe("IncompleteBody");
  expect(refusal(SIGNED, UNSIGNED_BODY)).toBe("IncompleteBody");
  const signed = SIGNED_BODY.toString("latin1");
  expect(refusal(SIGNED, signed.replace(/;chunk-signature=/, ";chunk-signature=A"))).toBe("IncompleteBody");
  expect(refusal(SIGNED, signed.replace(/(signature=[0-9a-f]{64})/, "$1;x=y"))).toBe("IncompleteBody");
});

test("bytes between chunks are refused", () => {
  const text = UNSIGNED_BODY.toString("latin1");
  expect(refusal(UNSIGNED, text.replace("\r\n2710\r\n", "xx2710\r\n"))).toBe("IncompleteBody");
  expect(refusal(UNSIGNED, text.replace("\r\n2710\r\n", "\rx2710\r\n"))).toBe("IncompleteBody");
  expect(refusal(UNSIGNED, text.replace("\r\n2710\r\n", "\n2710\r\n"))).toBe("IncompleteBody");
  expect(refusal(UNSIGNED, text.replace("\r\n2710\r\n", "\r\n2710\n"))).toBe("IncompleteBody");
});

test("signed chunks below the minimum may only come last", () => {
  const small = [DATA.subarray(0, SIGNED_CHUNK_SIZE_MIN - 1), DATA.subarray(SIGNED_CHUNK_SIZE_MIN - 1)];
  expect(refusal(SIGNED, encodeAwsChunked(small, { signing: SIGNING }))).toBe("InvalidChunkSizeError");
  expect(refusal(SIGNED, encodeAwsChunked([...small].reverse(), { signing: SIGNING }))).toBe("accepted");
  expect(refusal(UNSIGNED, encodeAwsChunked(small, { trailer: TRAILER }))).toBe("accepted");
});
