import { expect, test } from "bun:test";
import { S3Error } from "./errors.ts";
import {
  decodeHeaderText,
  encodeHeaderText,
  METADATA_SIZE_MAX,
  readMetadata,
  writeMetadata,
} from "./metadata.ts";

test("UTF-8 bytes seen through Latin-1, Latin-1 itself and encoded words become text", () => {
  expect(decodeHeaderText(Buffer.from("grüße 🙂").toString("latin1"))).toBe("grüße 🙂");
  expect(decodeHeaderText("gr\xfc\xdfe")).toBe("grüße");
  expect(decodeHeaderText("=?UTF-8?B?Z3LDvMOfZQ==?=")).toBe("grüße");
  expect(decodeHeaderText("=?utf-8?q?gr=C3=BC=C3=9Fe_x?=")).toBe("grüße x");
  expect(decodeHeaderText("=?nonsense?B?Z3I=?=")).toBe("=?nonsense?B?Z3I=?=");
  expect(decodeHeaderText("plain =?text")).toBe("plain =?text");
});

test.each(["", "plain", "grüße", "🙂".repeat(100), "漢字 mit spaces", "tab\there"])(
  "%p goes out in ASCII and comes back",
  (text) => {
    const header = encodeHeaderText(text);
    expect(header).toMatch(/^[\x20-\x7e\t]*$/);
    expect(decodeHeaderText(header)).toBe(text);
    for (const word of header.match(/=\?\S+/g) ?? []) expect(word.length).toBeLessThanOrEqual(75);
  },
);

test("a name like __proto__ is a name like any other", () => {
  const metadata = readMetadata([
    ["x-amz-meta-__proto__", "a"],
    ["x-amz-meta-constructor", "b"],
    ["x-amz-date", "no metadata"],
  ]);
  const headers: Record<string, string> = {};
  writeMetadata(metadata, headers);
  expect(headers).toEqual({ "x-amz-meta-__proto__": "a", "x-amz-meta-constructor": "b" });
  expect(Object.getPrototypeOf(metadata)).toBe(Object.prototype);
});

test("names and values may have 2 KiB together and no byte more", () => {
  const fits = "v".repeat(METADATA_SIZE_MAX - 4);
  expect(readMetadata([["x-amz-meta-name", fits]])).toEqual({ "x-amz-meta-name": fits });
  expect(() => readMetadata([["x-amz-meta-name", `${fits}v`]])).toThrow(S3Error);
});
