// One frame of the wire that chunkd and masterd speak: a fixed header, msgpack meta, then a raw body. Little-endian.
//
//  0 u32 magic "SKF1" | 4 u8 version | 5 u8 kind | 6 u16 opcode | 8 u32 requestId
// 12 u32 metaSize | 16 u32 bodySize | 20 u32 metaCrc | 24 u32 reserved, must be 0 | 28 u32 headerCrc, covers [0, 28)
//
// The header has its own checksum so that the sizes can be trusted before the bytes arrive. The body has none
// here: a body is chunk data, which carries the checksums that are kept on disk with it (chunkd/FORMAT.md).
import { assert } from "../../std/assert.ts";
import { ProtocolError } from "./errors.ts";

export const FRAME_HEADER_SIZE = 32;
export const FRAME_VERSION = 1;
const MAGIC = 0x31464b53;

const AT = {
  magic: 0,
  version: 4,
  kind: 5,
  opcode: 6,
  requestId: 8,
  metaSize: 12,
  bodySize: 16,
  metaCrc: 20,
  reserved: 24,
  headerCrc: 28,
} as const;
assert(AT.headerCrc + 4 === FRAME_HEADER_SIZE, "the fields must fill the header");

export const FrameKind = { request: 0, response: 1, error: 2, notify: 3 } as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

export interface FrameHeader {
  kind: FrameKind;
  opcode: number;
  requestId: number;
  metaSize: number;
  bodySize: number;
  metaCrc: number;
}

/** What a receiver is ready to hold for one frame, in bytes. */
export interface FrameLimits {
  metaSizeMax: number;
  bodySizeMax: number;
}

/** Every header goes through here, so that no view has to be made for its checksum. */
const scratch = Buffer.alloc(FRAME_HEADER_SIZE);
const covered = scratch.subarray(0, AT.headerCrc);
const fields = new DataView(scratch.buffer, scratch.byteOffset, FRAME_HEADER_SIZE);

export function encodeFrameHeader(into: Buffer, at: number, header: FrameHeader): void {
  fields.setUint32(AT.magic, MAGIC, true);
  fields.setUint8(AT.version, FRAME_VERSION);
  fields.setUint8(AT.kind, header.kind);
  fields.setUint16(AT.opcode, header.opcode, true);
  fields.setUint32(AT.requestId, header.requestId, true);
  fields.setUint32(AT.metaSize, header.metaSize, true);
  fields.setUint32(AT.bodySize, header.bodySize, true);
  fields.setUint32(AT.metaCrc, header.metaCrc, true);
  fields.setUint32(AT.reserved, 0, true);
  fields.setUint32(AT.headerCrc, Bun.hash.crc32(covered), true);
  into.set(scratch, at);
}

/** Decodes the header at `from[at..at + 32)`. Throws {@link ProtocolError} on what can never be a valid frame. */
export function decodeFrameHeader(from: Buffer, limits: FrameLimits, at = 0): FrameHeader {
  from.copy(scratch, 0, at, at + FRAME_HEADER_SIZE);
  if (fields.getUint32(AT.magic, true) !== MAGIC) {
    throw new ProtocolError("BAD_FRAME", "not a frame: wrong magic");
  }
  if (fields.getUint32(AT.headerCrc, true) !== Bun.hash.crc32(covered)) {
    throw new ProtocolError("BAD_FRAME", "the frame header fails its checksum");
  }
  const version = fields.getUint8(AT.version);
  if (version !== FRAME_VERSION) {
    throw new ProtocolError("BAD_VERSION", `frame version ${version}, this side speaks ${FRAME_VERSION}`);
  }
  const kind = fields.getUint8(AT.kind);
  if (kind > FrameKind.notify) throw new ProtocolError("BAD_FRAME", `unknown frame kind ${kind}`);
  if (fields.getUint32(AT.reserved, true) !== 0) {
    throw new ProtocolError("BAD_FRAME", "reserved bytes are set");
  }
  const metaSize = fields.getUint32(AT.metaSize, true);
  const bodySize = fields.getUint32(AT.bodySize, true);
  if (metaSize > limits.metaSizeMax || bodySize > limits.bodySizeMax) {
    throw new ProtocolError("TOO_LARGE", `a frame of ${metaSize}+${bodySize} bytes is over the limit`);
  }
  return {
    kind: kind as FrameKind,
    opcode: fields.getUint16(AT.opcode, true),
    requestId: fields.getUint32(AT.requestId, true),
    metaSize,
    bodySize,
    metaCrc: fields.getUint32(AT.metaCrc, true),
  };
}

const NOTHING = Buffer.alloc(0);

/** Pieces that a body may come in; of a stream that dribbles, each would hold more memory than it has bytes. */
const PIECES_MAX = 64;

/** Cuts a byte stream into frames. Memory: one frame, at most `limits`. */
export class FrameDecoder {
  private readonly header = Buffer.allocUnsafe(FRAME_HEADER_SIZE);
  private current: FrameHeader | undefined;
  private meta: Buffer = NOTHING;
  private body = NOTHING;
  /** The body so far, where it is taken in pieces. */
  private pieces: Buffer[] | undefined;
  private missing = 0;
  /** What is being filled, and how far. */
  private target: Buffer = this.header;
  private filled = 0;
  /** Set while no more frames are to be delivered. */
  halted = false;
  bytesReceived = 0;

  constructor(
    public limits: FrameLimits,
    private readonly onFrame: (header: FrameHeader, meta: Buffer, body: Buffer | Buffer[]) => void,
    /** Whether the body of this frame is to be given as the pieces that it came in, which saves copying it. */
    private readonly inPieces: (header: FrameHeader) => boolean = () => false,
  ) {}

  /** Bytes that have yet to come of an answer whose body is taken in pieces; 0 while none is under way. */
  get missingAnswer(): number {
    return this.pieces && this.current?.kind === FrameKind.response ? this.missing : 0;
  }

  /** A frame has begun and not ended. */
  get midFrame(): boolean {
    return this.current !== undefined || this.filled > 0;
  }

  /**
   * Calls `onFrame` for each frame that `bytes` complete. Returns how many it took: all, unless it was halted.
   * Throws {@link ProtocolError}; the stream is then lost.
   */
  push(bytes: Uint8Array): number {
    const from = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (at < from.length && !this.halted) {
      if (this.pieces) {
        at += this.takePiece(from, at);
        continue;
      }
      const taken = this.takeHead(from, at);
      if (taken > 0) {
        at += taken;
        continue;
      }
      const count = Math.min(from.length - at, this.target.length - this.filled);
      // Not `set(subarray())`: making a view costs more than copying a header.
      from.copy(this.target, this.filled, at, at + count);
      at += count;
      this.filled += count;
      while (this.filled === this.target.length) this.next();
    }
    this.bytesReceived += at;
    return at;
  }

  /**
   * Takes header and meta where a frame begins at `from[at]` and both are there as a whole, uncopied; returns their size,
   * 0 where they have to be gathered.
   */
  private takeHead(from: Buffer, at: number): number {
    if (this.midFrame || from.length - at < FRAME_HEADER_SIZE) return 0;
    const header = decodeFrameHeader(from, this.limits, at);
    const start = at + FRAME_HEADER_SIZE;
    const end = start + header.metaSize;
    if (end > from.length) return 0;
    this.begin(header);
    if (header.metaSize > 0) this.meta = from.subarray(start, end);
    this.onMeta();
    return end - at;
  }

  /** Takes what `from[at..)` holds of the body; returns how much that is. */
  private takePiece(from: Buffer, at: number): number {
    const pieces = this.pieces!;
    const piece = from.subarray(at, at + this.missing);
    this.missing -= piece.length;
    pieces.push(piece);
    if (this.missing === 0) this.deliver();
    else if (pieces.length === PIECES_MAX) this.gather(pieces);
    return piece.length;
  }

  /** Goes on with one buffer for the whole body. */
  private gather(pieces: readonly Buffer[]): void {
    this.body = Buffer.allocUnsafe(this.current!.bodySize);
    this.target = this.body;
    for (const piece of pieces) this.filled += piece.copy(this.body, this.filled);
    this.pieces = undefined;
  }

  /** The target is full: header, meta and body follow one another; empty ones are full at once. */
  private next(): void {
    this.filled = 0;
    if (!this.current) {
      this.begin(decodeFrameHeader(this.header, this.limits));
      const { metaSize } = this.current!;
      this.meta = metaSize === 0 ? NOTHING : Buffer.allocUnsafe(metaSize);
      this.target = this.meta;
    } else if (this.target === this.meta) this.onMeta();
    else this.deliver();
  }

  private begin(header: FrameHeader): void {
    this.current = header;
    const isWhole = header.bodySize > 0 && !this.inPieces(header);
    this.body = isWhole ? Buffer.allocUnsafe(header.bodySize) : NOTHING;
  }

  /** Goes on with the body, which is filled where it is, or taken in pieces, or not there. */
  private onMeta(): void {
    if (this.body.length > 0) {
      this.target = this.body;
    } else if (this.current!.bodySize > 0) {
      this.pieces = [];
      this.missing = this.current!.bodySize;
      // What is to be filled next, once the pieces are there.
      this.target = this.header;
    } else this.deliver();
  }

  private deliver(): void {
    const { meta } = this;
    const body = this.pieces ?? this.body;
    const header = this.current!;
    this.pieces = undefined;
    this.current = undefined;
    this.target = this.header;
    this.meta = NOTHING;
    this.body = NOTHING;
    if (Bun.hash.crc32(meta) !== header.metaCrc) {
      throw new ProtocolError("BAD_FRAME", "the frame's meta fails its checksum");
    }
    this.onFrame(header, meta, body);
  }
}
