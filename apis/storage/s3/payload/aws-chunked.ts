// The aws-chunked encoding of S3 ("Transferring payload in multiple chunks", with its trailer variant):
//
//   chunk   = hex-size [";chunk-signature=" 64hex] CRLF  size bytes  CRLF
//   body    = chunk* , "0" [";chunk-signature=" 64hex] CRLF , trailer , CRLF
//   trailer = [name ":" value CRLF]  [CRLF? "x-amz-trailer-signature:" 64hex CRLF]
//
// The decoder is pushed bytes, split anywhere, and hands out the data as views of them, uncopied. Data of a signed chunk
// is handed out BEFORE its signature, which covers the whole chunk, can be checked: a chunk may be gigabytes and must
// not be buffered. That is sound, as nothing is committed before the body's end, and a wrong chunk throws before it.
//
// AWS answers IncompleteBody to whatever is not well-formed, and so does this.

import type { ChunkSigning } from "../auth/chunk-signing.ts";
import { sameDigest } from "../auth/same-digest.ts";
import { PayloadError } from "./errors.ts";

/** A chunk's line has 17 + 64 + 16 characters at most; a trailer's, the longest name and checksum, fewer than 100. */
export const LINE_LENGTH_MAX = 256;
/** minio-go ends its trailer with one more blank line than the grammar has; room for two. */
export const BLANK_BYTES_MAX = 4;
/** Only the last chunk may be smaller. Not asked of unsigned chunks: there, small ones cost no signature. */
export const SIGNED_CHUNK_SIZE_MIN = 8192;

const TRAILER_SIGNATURE = "x-amz-trailer-signature";
const SIGNATURE = /^[0-9a-f]{64}$/;
const CR = 0x0d;
const LF = 0x0a;

export interface ChunkedOptions {
  /** Undefined where chunks carry no signatures. */
  readonly signing: ChunkSigning | undefined;
  /** The length that `x-amz-decoded-content-length` promises. */
  readonly decodedLength: number;
  /** Whether the mode has a trailer at all. */
  readonly trailer: boolean;
  /** The one header that the trailer must bring, lower case; undefined for none. */
  readonly trailerName: string | undefined;
}

type State = "size line" | "data" | "data CR" | "data LF" | "trailer" | "end";

export class AwsChunkedDecoder {
  private state: State = "size line";
  private readonly line = Buffer.alloc(LINE_LENGTH_MAX);
  private lineLength = 0;
  private blankBytes = 0;
  /** Bytes of this chunk's data still to come. */
  private rest = 0;
  private decoded = 0;
  private sawSmallChunk = false;
  private lastChunk = false;
  private chunkHash: Bun.CryptoHasher | undefined;
  private chunkSignature = "";
  private previousSignature: string;
  private trailerEnded = false;
  private trailerSigned = false;
  private trailerFound: string | undefined;

  constructor(private readonly options: ChunkedOptions) {
    this.previousSignature = options.signing?.seed ?? "";
  }

  /** The value that the trailer brought, after {@link finish}. */
  get trailerValue(): string | undefined {
    return this.trailerFound;
  }

  /** Takes the next bytes of the body and returns the data in them. Throws {@link PayloadError}. */
  push(bytes: Uint8Array): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    let at = 0;
    while (at < bytes.length) {
      switch (this.state) {
        case "size line":
        case "trailer":
          at = this.takeLine(bytes, at);
          break;
        case "data": {
          const piece = bytes.subarray(at, at + this.rest);
          at += piece.length;
          this.takeData(piece);
          pieces.push(piece);
          break;
        }
        case "data CR":
          if (bytes[at++] !== CR) throw malformed("a chunk is longer than its size says");
          this.state = "data LF";
          break;
        case "data LF":
          if (bytes[at++] !== LF) throw malformed("a chunk is longer than its size says");
          this.endChunk();
          break;
        case "end":
          this.takeBlank(bytes[at++]!);
          break;
      }
    }
    return pieces;
  }

  /** Says that the body has ended. Throws {@link PayloadError} unless it was complete. */
  finish(): void {
    if (this.state !== "end") throw malformed("it ends before its last chunk or trailer is complete");
  }

  private takeLine(bytes: Uint8Array, at: number): number {
    const lineFeed = bytes.indexOf(LF, at);
    const end = lineFeed < 0 ? bytes.length : lineFeed;
    if (this.lineLength + end - at > LINE_LENGTH_MAX) {
      throw malformed(`a line is longer than ${LINE_LENGTH_MAX} bytes`);
    }
    this.line.set(bytes.subarray(at, end), this.lineLength);
    this.lineLength += end - at;
    if (lineFeed < 0) return end;
    const carriageReturn = this.lineLength > 0 && this.line[this.lineLength - 1] === CR;
    const text = this.line.toString("latin1", 0, this.lineLength - (carriageReturn ? 1 : 0));
    this.lineLength = 0;
    if (this.state === "trailer") this.takeTrailerLine(text);
    else if (carriageReturn) this.beginChunk(text);
    else throw malformed("a chunk's line does not end in CRLF");
    return lineFeed + 1;
  }

  private beginChunk(line: string): void {
    const semicolon = line.indexOf(";");
    const size = this.parseSize(semicolon < 0 ? line : line.slice(0, semicolon));
    this.parseExtension(semicolon < 0 ? "" : line.slice(semicolon));
    this.rest = size;
    this.lastChunk = size === 0;
    if (size > 0) {
      this.state = "data";
      return;
    }
    this.verifyChunk();
    if (this.decoded !== this.options.decodedLength) {
      throw malformed("it is shorter than x-amz-decoded-content-length");
    }
    this.state = "trailer";
  }

  private parseSize(text: string): number {
    // Sixteen digits are what clients pad to; Number is exact for all that can pass the comparison.
    if (!/^[0-9a-fA-F]{1,16}$/.test(text)) throw malformed("a chunk's size is not a hexadecimal number");
    const size = Number.parseInt(text, 16);
    if (size > this.options.decodedLength - this.decoded) {
      throw malformed("it is longer than x-amz-decoded-content-length");
    }
    if (this.sawSmallChunk && size > 0) {
      throw new PayloadError(
        "InvalidChunkSizeError",
        `Only the last chunk is allowed to have a size less than ${SIGNED_CHUNK_SIZE_MIN} bytes`,
      );
    }
    this.sawSmallChunk = this.options.signing !== undefined && size > 0 && size < SIGNED_CHUNK_SIZE_MIN;
    return size;
  }

  private parseExtension(extension: string): void {
    if (this.options.signing === undefined) {
      if (extension !== "") throw malformed("an unsigned chunk has an extension");
      return;
    }
    const prefix = ";chunk-signature=";
    this.chunkSignature = extension.slice(prefix.length);
    if (!extension.startsWith(prefix) || !SIGNATURE.test(this.chunkSignature)) {
      throw malformed("a chunk has no well-formed chunk-signature");
    }
    this.chunkHash = new Bun.CryptoHasher("sha256");
  }

  private takeData(piece: Uint8Array): void {
    this.chunkHash?.update(piece);
    this.rest -= piece.length;
    this.decoded += piece.length;
    if (this.rest === 0) this.state = "data CR";
  }

  private endChunk(): void {
    this.verifyChunk();
    this.state = "size line";
  }

  private verifyChunk(): void {
    const { signing } = this.options;
    if (signing === undefined || this.chunkHash === undefined) return;
    const expected = signing.chunk(this.previousSignature, this.chunkHash.digest("hex"));
    if (!sameDigest(expected, this.chunkSignature))
      throw wrongSignature(this.lastChunk ? "last chunk" : "chunk");
    this.previousSignature = expected;
  }

  private takeTrailerLine(line: string): void {
    if (line !== "") this.takeTrailerField(line);
    else if (this.trailerComplete()) this.state = "end";
    else this.trailerEnded = true;
  }

  /** A blank line ends the trailer, except that minio-go puts one before the signature. */
  private trailerComplete(): boolean {
    const { signing, trailer, trailerName } = this.options;
    if (this.trailerFound === undefined && trailerName !== undefined) throw malformedTrailer();
    if (signing === undefined || !trailer || this.trailerSigned) return true;
    if (this.trailerEnded) throw wrongSignature("trailer");
    return false;
  }

  private takeTrailerField(line: string): void {
    const { options } = this;
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0)).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (!options.trailer || this.trailerSigned) throw malformedTrailer();
    if (name === TRAILER_SIGNATURE && options.signing !== undefined) {
      this.verifyTrailer(options.signing, value);
    } else if (name === options.trailerName && this.trailerFound === undefined && !this.trailerEnded) {
      this.trailerFound = value;
    } else {
      throw malformedTrailer();
    }
  }

  private verifyTrailer(signing: ChunkSigning, signature: string): void {
    const { trailerName } = this.options;
    if (trailerName !== undefined && this.trailerFound === undefined) throw malformedTrailer();
    const lines = trailerName === undefined ? "" : `${trailerName}:${this.trailerFound}\n`;
    const hash = new Bun.CryptoHasher("sha256").update(lines, "latin1").digest("hex");
    if (!sameDigest(signing.trailer(this.previousSignature, hash), signature))
      throw wrongSignature("trailer");
    this.trailerSigned = true;
  }

  /** Behind the end, blank lines only. */
  private takeBlank(byte: number): void {
    if ((byte !== CR && byte !== LF) || ++this.blankBytes > BLANK_BYTES_MAX) {
      throw malformed("there is data behind its end");
    }
  }
}

function malformed(why: string): PayloadError {
  return new PayloadError(
    "IncompleteBody",
    `The request body terminated unexpectedly, or is no aws-chunked: ${why}.`,
  );
}

function malformedTrailer(): PayloadError {
  return new PayloadError(
    "MalformedTrailerError",
    "The request contained trailing data that was not well-formed or did not conform to our published schema: " +
      "the trailer must bring exactly what x-amz-trailer names.",
  );
}

function wrongSignature(what: string): PayloadError {
  return new PayloadError(
    "SignatureDoesNotMatch",
    `The signature of a ${what} we calculated does not match the signature you provided.`,
  );
}
