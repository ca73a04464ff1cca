// User metadata: `x-amz-meta-<name>: <value>`. Header bytes are read as Latin-1 by every HTTP stack, so text beyond ASCII
// arrives either as UTF-8 seen through Latin-1 or as RFC 2047 encoded words; it is kept as text and, as S3 does, sent as
// encoded words.
import { S3Error } from "./errors.ts";

export const METADATA_PREFIX = "x-amz-meta-";
/** Bytes of all names and values together. */
export const METADATA_SIZE_MAX = 2 << 10;

/**
 * Collects metadata from pairs of lower-case header name and value, by whole header name: so no name that a user makes
 * up (`__proto__`) is ever a property name of its own. Throws `MetadataTooLarge`.
 */
export function readMetadata(pairs: Iterable<readonly [string, string]>): Record<string, string> {
  const found: Record<string, string> = {};
  let size = 0;
  for (const [header, value] of pairs) {
    if (!header.startsWith(METADATA_PREFIX)) continue;
    const name = header.slice(METADATA_PREFIX.length);
    if (name === "")
      throw new S3Error("InvalidArgument", "A metadata header has no name behind x-amz-meta-.");
    const text = decodeHeaderText(value);
    size += Buffer.byteLength(name) + Buffer.byteLength(text);
    if (size > METADATA_SIZE_MAX) {
      throw new S3Error("MetadataTooLarge", undefined, {
        fields: { Size: String(size), MaxSizeAllowed: String(METADATA_SIZE_MAX) },
      });
    }
    found[header] = text;
  }
  return found;
}

/** Puts metadata into response headers. */
export function writeMetadata(metadata: Record<string, string>, headers: Record<string, string>): void {
  for (const [name, value] of Object.entries(metadata)) {
    headers[name] = encodeHeaderText(value);
  }
}

const ENCODED_WORD = /=\?([\w-]+)\?([bBqQ])\?([^?\s]*)\?=(?:\s+(?==\?))?/g;

export function decodeHeaderText(header: string): string {
  const text = fromLatin1(header);
  if (!text.includes("=?")) return text;
  return text.replace(ENCODED_WORD, (word, charset: string, encoding: string, content: string) => {
    const bytes = encoding.toLowerCase() === "b" ? Buffer.from(content, "base64") : quotedPrintable(content);
    try {
      return new TextDecoder(charset, { fatal: true }).decode(bytes);
    } catch {
      return word; // no word after all: an unknown charset, or bytes that are not in it
    }
  });
}

/** RFC 2047, 4.2: an underscore is a space, `=XX` a byte. */
function quotedPrintable(content: string): Buffer {
  const latin1 = content
    .replaceAll("_", " ")
    .replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(latin1, "latin1");
}

const ASCII = /^[\x20-\x7e\t]*$/;

/** Header text as UTF-8 where its bytes are that, else as Latin-1. */
export function fromLatin1(header: string): string {
  if (ASCII.test(header)) return header;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(header, "latin1"));
  } catch {
    return header;
  }
}

/** An encoded word may be 75 characters long (RFC 2047, 2): this many bytes of text fit into one. */
const WORD_BYTES_MAX = 45;

export function encodeHeaderText(text: string): string {
  if (ASCII.test(text)) return text;
  const words: string[] = [];
  let word = "";
  for (const character of text) {
    if (Buffer.byteLength(word) + Buffer.byteLength(character) > WORD_BYTES_MAX) {
      words.push(word);
      word = "";
    }
    word += character;
  }
  words.push(word);
  return words.map((part) => `=?UTF-8?B?${Buffer.from(part).toString("base64")}?=`).join(" ");
}
