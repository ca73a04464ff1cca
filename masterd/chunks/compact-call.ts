// One chunk built anew on each of its holders out of what is live in it: the request, and what must come back.
import { ProtocolError, RemoteError } from "../../chunkd/protocol/errors.ts";
import { ChunkOp, type CompactRequest } from "../../chunkd/protocol/messages.ts";
import { CHUNK_HEADER_SIZE, extentEnd } from "../../chunkd/protocol/record.ts";
import type { MovedExtent } from "../catalog/commands.ts";
import { compactResponse } from "./answers.ts";
import type { LiveExtent } from "./extent-sweep.ts";
import type { ServerTable } from "./servers.ts";

const COMPACT_TIMEOUT_MS = 120_000;
/** Two u32 for each extent, both ways. */
const ENTRY_SIZE = 8;

export interface Compacted {
  length: number;
  extents: MovedExtent[];
}

export type CompactAnswer =
  | { id: string; kind: "done"; body: Buffer; compacted: Compacted }
  /** `code`: the chunkserver's own error; absent where no answer came. */
  | { id: string; kind: "failed"; code?: string; error: Error };

/** Asks all of `holders` at once. `extents` in the order of the file. Never rejects. */
export function askToCompact(
  servers: ServerTable,
  holders: readonly string[],
  request: CompactRequest,
  extents: readonly LiveExtent[],
): Promise<CompactAnswer[]> {
  const body = encodeExtents(extents);
  return Promise.all(
    holders.map(async (id): Promise<CompactAnswer> => {
      try {
        const answer = await servers.exchange(id, ChunkOp.compact, request, body, COMPACT_TIMEOUT_MS);
        const { length } = compactResponse(answer.meta);
        return { id, kind: "done", body: answer.body, compacted: decode(extents, length, answer.body) };
      } catch (error) {
        const code = error instanceof RemoteError ? error.code : undefined;
        return { id, kind: "failed", code, error: error as Error };
      }
    }),
  );
}

function encodeExtents(extents: readonly LiveExtent[]): Buffer {
  const body = Buffer.alloc(extents.length * ENTRY_SIZE);
  for (const [i, { offset, length }] of extents.entries()) {
    body.writeUInt32LE(offset, i * ENTRY_SIZE);
    body.writeUInt32LE(length, i * ENTRY_SIZE + 4);
  }
  return body;
}

/** Where each extent is now. That follows from the request alone, so anything else is refused. */
function decode(extents: readonly LiveExtent[], length: number, body: Buffer): Compacted {
  const refuse = (why: string): never => {
    throw new ProtocolError("BAD_REQUEST", `the answer to a compaction ${why}`);
  };
  if (body.length !== extents.length * ENTRY_SIZE) refuse("does not name every extent");
  let end = CHUNK_HEADER_SIZE;
  const moved = extents.map(({ offset, length: size, checksum }, i): MovedExtent => {
    const newOffset = body.readUInt32LE(i * ENTRY_SIZE);
    if (newOffset !== end) refuse(`has an extent at ${newOffset} that belongs at ${end}`);
    end = extentEnd({ offset: newOffset, length: size });
    return { offset, length: size, checksum, newOffset, newChecksum: body.readUInt32LE(i * ENTRY_SIZE + 4) };
  });
  if (length !== end) refuse(`has a chunk of ${length} bytes, not ${end}`);
  return { length, extents: moved };
}

/** Bytes of records that `extents` take. */
export function recordBytes(extents: readonly LiveExtent[]): number {
  let bytes = 0;
  for (const extent of extents) bytes += extentEnd(extent) - extent.offset;
  return bytes;
}
