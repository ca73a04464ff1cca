// Turns the meta of a request into its type, or throws BAD_REQUEST. By hand: this runs for every append and read.
import { parseAddress } from "../../std/net.ts";
import {
  type AbortNotice,
  type AppendRequest,
  COPY_SOURCES_MAX,
  type CommitNotice,
  type CompactRequest,
  type CopyRequest,
  type FenceRequest,
  type HandleRequest,
  type LeasedReplica,
  type ReadFileRequest,
  type ReadRequest,
  type Replica,
  type ReplicateRequest,
  type ScrubControlRequest,
  type SealRequest,
  STREAM_SIZE_MAX,
  type StreamRequest,
} from "../protocol/messages.ts";
import {
  BLOCK_SIZE,
  CHUNK_HEADER_SIZE,
  CHUNK_SIZE_MAX,
  HANDLE_MAX,
  RECORD_PAYLOAD_MAX,
} from "../protocol/record.ts";
import { ChunkError } from "../store/errors.ts";

const VERSION_MAX = 0xffff_ffff;
const BLOCKS_MAX = RECORD_PAYLOAD_MAX / BLOCK_SIZE;
const CAPABILITY_SIZE_MAX = 64;
const REPLICAS_MIN = 2;
const REPLICAS_MAX = 3;
const ID_LENGTH_MAX = 64;
const ADDRESS_LENGTH_MAX = 256;

type Fields = Record<string, unknown>;

function bad(what: string): ChunkError {
  return new ChunkError("BAD_REQUEST", `the request's ${what}`);
}

function fieldsOf(meta: unknown): Fields {
  if (typeof meta !== "object" || meta === null) throw bad("meta must be a map");
  return meta as Fields;
}

function whole(fields: Fields, name: string, min: number, max: number): number {
  const value = fields[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
    throw bad(`${name} must be a whole number from ${min} to ${max}`);
  }
  return value;
}

function bytes(fields: Fields, name: string, sizeMax: number): Uint8Array {
  const value = fields[name];
  if (!(value instanceof Uint8Array) || value.length > sizeMax) {
    throw bad(`${name} must be at most ${sizeMax} bytes`);
  }
  return value;
}

function text(fields: Fields, name: string, lengthMax: number): string {
  const value = fields[name];
  if (typeof value !== "string" || value.length === 0 || value.length > lengthMax) {
    throw bad(`${name} must be 1 to ${lengthMax} characters`);
  }
  return value;
}

function replica(value: unknown): Replica {
  const fields = fieldsOf(value);
  return { id: text(fields, "id", ID_LENGTH_MAX), address: text(fields, "address", ADDRESS_LENGTH_MAX) };
}

/** Those of a write are what the master signed; this one is about to be called. */
function reachable(source: Replica): Replica {
  try {
    parseAddress(source.address);
  } catch {
    throw bad("sources must have addresses");
  }
  return source;
}

function leased(value: unknown): LeasedReplica {
  const incarnation = whole(fieldsOf(value), "incarnation", 0, Number.MAX_SAFE_INTEGER);
  return { ...replica(value), incarnation };
}

function replicas(fields: Fields): LeasedReplica[] {
  const value = fields.replicas;
  if (!Array.isArray(value) || value.length < REPLICAS_MIN || value.length > REPLICAS_MAX) {
    throw bad(`replicas must be ${REPLICAS_MIN} or ${REPLICAS_MAX} replicas`);
  }
  const all = value.map(leased);
  if (new Set(all.map(({ id }) => id)).size < all.length) throw bad("replicas must be distinct");
  return all;
}

const handle = (fields: Fields): number => whole(fields, "handle", 1, HANDLE_MAX);
const version = (fields: Fields): number => whole(fields, "version", 0, VERSION_MAX);
const length = (fields: Fields): number => whole(fields, "length", CHUNK_HEADER_SIZE, CHUNK_SIZE_MAX);
const offset = (fields: Fields): number => whole(fields, "offset", CHUNK_HEADER_SIZE, CHUNK_SIZE_MAX);

function grant(fields: Fields) {
  return {
    handle: handle(fields),
    version: version(fields),
    replicas: replicas(fields),
    capability: bytes(fields, "capability", CAPABILITY_SIZE_MAX),
    expiresAt: whole(fields, "expiresAt", 0, Number.MAX_SAFE_INTEGER),
  };
}

export function appendRequest(meta: unknown): AppendRequest {
  return grant(fieldsOf(meta));
}

export function replicateRequest(meta: unknown): ReplicateRequest {
  const fields = fieldsOf(meta);
  return { ...grant(fields), offset: offset(fields) };
}

export function commitNotice(meta: unknown): CommitNotice {
  const fields = fieldsOf(meta);
  return { handle: handle(fields), version: version(fields), length: length(fields) };
}

export function abortNotice(meta: unknown): AbortNotice {
  const fields = fieldsOf(meta);
  return { handle: handle(fields), version: version(fields) };
}

export function readRequest(meta: unknown): ReadRequest {
  const fields = fieldsOf(meta);
  return {
    handle: handle(fields),
    offset: offset(fields),
    firstBlock: whole(fields, "firstBlock", 0, BLOCKS_MAX - 1),
    blockCount: whole(fields, "blockCount", 1, BLOCKS_MAX),
  };
}

export function streamRequest(meta: unknown): StreamRequest {
  const fields = fieldsOf(meta);
  return { handle: handle(fields), offset: offset(fields), size: whole(fields, "size", 1, STREAM_SIZE_MAX) };
}

export function fenceRequest(meta: unknown): FenceRequest {
  const fields = fieldsOf(meta);
  return { handle: handle(fields), version: version(fields) };
}

export function sealRequest(meta: unknown): SealRequest {
  const fields = fieldsOf(meta);
  return { handle: handle(fields), version: version(fields), length: length(fields) };
}

export function copyRequest(meta: unknown): CopyRequest {
  const fields = fieldsOf(meta);
  const { sources } = fields;
  if (!Array.isArray(sources) || sources.length === 0 || sources.length > COPY_SOURCES_MAX) {
    throw bad(`sources must be 1 to ${COPY_SOURCES_MAX} replicas`);
  }
  const request: CopyRequest = {
    ...sealRequest(meta),
    sources: sources.map((one) => reachable(replica(one))),
  };
  if (fields.damaged === true) request.damaged = true;
  return request;
}

export function compactRequest(meta: unknown): CompactRequest {
  const fields = fieldsOf(meta);
  return {
    source: whole(fields, "source", 1, HANDLE_MAX),
    sourceVersion: whole(fields, "sourceVersion", 0, VERSION_MAX),
    sourceLength: whole(fields, "sourceLength", CHUNK_HEADER_SIZE, CHUNK_SIZE_MAX),
    target: whole(fields, "target", 1, HANDLE_MAX),
    version: version(fields),
  };
}

export function scrubControlRequest(meta: unknown): ScrubControlRequest {
  const { action } = fieldsOf(meta);
  if (action === "status" || action === "now" || action === "pause" || action === "resume") return { action };
  throw bad('action must be "status", "now", "pause" or "resume"');
}

export function handleRequest(meta: unknown): HandleRequest {
  return { handle: handle(fieldsOf(meta)) };
}

export function readFileRequest(meta: unknown): ReadFileRequest {
  const fields = fieldsOf(meta);
  return { handle: handle(fields), position: whole(fields, "position", 0, CHUNK_SIZE_MAX) };
}
