// What a frame says besides its body: its header and its msgpack meta, made in one buffer.
import { Packr, RESERVE_START_SPACE } from "msgpackr";
import { encodeFrameHeader, FRAME_HEADER_SIZE, type FrameKind } from "./frame.ts";

export const EMPTY = Buffer.alloc(0);

/** Metas are packed behind one another into buffers of this size; one that needed more does not set the size of the next. */
const PACKING_SIZE = 16 << 10;

// Binary values are copied: they may be kept, and what they came in is a whole read of the socket.
const packr = new Packr({ useRecords: false, moreTypes: false, int64AsType: "number", copyBuffers: true });

/** Meta that is encoded once and sent to several peers. */
export class PackedMeta {
  readonly bytes: Buffer;

  constructor(meta: unknown) {
    this.bytes = packr.pack(meta);
  }
}

/** Header and meta of a frame whose body has `bodySize` bytes; undefined as meta takes no bytes. */
export function encodeMessage(
  kind: FrameKind,
  opcode: number,
  requestId: number,
  meta: unknown,
  bodySize: number,
): Buffer {
  const head = meta === undefined || meta instanceof PackedMeta ? headFor(meta) : pack(meta);
  const metaSize = head.length - FRAME_HEADER_SIZE;
  const metaCrc = metaSize === 0 ? 0 : Bun.hash.crc32(head.subarray(FRAME_HEADER_SIZE));
  encodeFrameHeader(head, 0, { kind, opcode, requestId, metaSize, bodySize, metaCrc });
  return head;
}

function headFor(packed: PackedMeta | undefined): Buffer {
  const head = Buffer.allocUnsafe(FRAME_HEADER_SIZE + (packed?.bytes.length ?? 0));
  if (packed) head.set(packed.bytes, FRAME_HEADER_SIZE);
  return head;
}

function pack(meta: unknown): Buffer {
  const head = packr.pack(meta, RESERVE_START_SPACE | FRAME_HEADER_SIZE);
  // biome-ignore lint/correctness/useHookAtTopLevel: no hook of React, but what gives the packer its next buffer
  if (head.length > PACKING_SIZE) packr.useBuffer(Buffer.allocUnsafeSlow(PACKING_SIZE));
  return head;
}

/** What {@link encodeMessage} took. Throws on what is no msgpack. */
export function decodeMeta(bytes: Buffer): unknown {
  return bytes.length === 0 ? undefined : packr.unpack(bytes);
}
