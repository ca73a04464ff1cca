import { z } from "zod";
import { ProtocolError } from "../../chunkd/protocol/errors.ts";
import type { CompactResponse, FenceResponse, ScrubControlResponse } from "../../chunkd/protocol/messages.ts";
import { CHUNK_SIZE_MAX } from "../../chunkd/protocol/record.ts";

const length = z.int().min(0).max(CHUNK_SIZE_MAX);
const FENCE_RESPONSE = z.object({
  version: z.int().min(0),
  length,
  sealed: z.boolean(),
  limit: length.optional(),
  acknowledged: length.optional(),
  diskFailed: z.boolean().optional(),
});
const COMPACT_RESPONSE = z.object({ length });
const count = z.int().min(0);
const SCRUB_RESPONSE = z.object({
  doneBytes: count,
  totalBytes: count,
  startedAt: count,
  finishedAt: count,
  damagedFound: count,
  paused: z.boolean(),
  bytesPerSecond: count,
  nextAt: count,
});

/** What a chunkserver answered to a fence. Throws `BAD_REQUEST` when it is not of that shape. */
export function fenceResponse(meta: unknown): FenceResponse {
  return parse(FENCE_RESPONSE, meta);
}

/** What a chunkserver answered to a compaction. Throws `BAD_REQUEST` likewise. */
export function compactResponse(meta: unknown): CompactResponse {
  return parse(COMPACT_RESPONSE, meta);
}

/** What a chunkserver answered about its scrub. Throws `BAD_REQUEST` likewise. */
export function scrubResponse(meta: unknown): ScrubControlResponse {
  return parse(SCRUB_RESPONSE, meta);
}

function parse<T>(schema: z.ZodType<T>, meta: unknown): T {
  const { success, data } = schema.safeParse(meta);
  if (!success) throw new ProtocolError("BAD_REQUEST", "a chunkserver's answer is malformed");
  return data;
}
