// A stream of commands as a busy cluster would give, many of them refused; the same seed gives the same stream.
import { RECORD_PAYLOAD_MAX, recordSize } from "../../chunkd/protocol/record.ts";
import type { Command } from "../catalog/commands.ts";
import { PART_SIZE_MIN } from "../protocol/messages.ts";
import { dataIn, md5, NO_ATTRIBUTES } from "./test-master.ts";

export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const BUCKETS = ["one", "two", "three"].map((name) => `bucket-${name}`);
const KEYS = ["a", "b", "c/d", "c/e", "ü", "😀"];
const UPLOADS = ["u1", "u2", "u3"];
const CHUNKS = 6;
/** A part that may stand before others: records of 1 MiB. */
const PART_RECORDS = PART_SIZE_MIN / RECORD_PAYLOAD_MAX;

export function randomCommands(seed: number, count: number): Command[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, i) => randomCommand(random, 1000 + i));
}

function randomCommand(random: () => number, at: number): Command {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const object = { bucket: pick(BUCKETS), key: pick(KEYS) };
  const upload = { ...object, uploadId: pick(UPLOADS) };
  const handle = 1 + Math.floor(random() * CHUNKS);
  const data = dataIn(handle, Math.floor(random() * 5));
  const condition = pick([undefined, undefined, { ifNoneMatch: ["*"] }, { ifMatch: [data.etag, "*"] }]);
  const partNumber = 1 + Math.floor(random() * 3);
  const part = {
    size: PART_SIZE_MIN,
    etag: md5(`part ${partNumber}`),
    extents: [{ handle, offset: 64, length: PART_SIZE_MIN, checksum: partNumber }],
  };
  const length = 64 + PART_RECORDS * recordSize(RECORD_PAYLOAD_MAX);
  const parts = [1, 2, 3].slice(0, partNumber).map((n) => ({ partNumber: n, etag: md5(`part ${n}`) }));
  const upkeep: (() => Command)[] = [
    () => ({
      type: "addCompacted",
      at,
      handle,
      source: 1 + (handle % CHUNKS),
      version: 2,
      length,
      members: ["s1", "s2"],
    }),
    () => ({
      type: "moveExtents",
      at,
      source: handle,
      target: 1 + (handle % CHUNKS),
      extents: [{ ...data.extents[0]!, newOffset: 64, newChecksum: 7 }],
      objects: [1, 2, 3].map((bucket) => ({ bucket, key: object.key })),
      parts: [{ uploadId: upload.uploadId, partNumber }],
    }),
    () => ({ type: "addServer", at, server: pick(["s1", "s4"]) }),
    () => ({
      type: "setServerState",
      at,
      server: pick(["s1", "s4"]),
      state: pick(["active", "draining", "removed"]),
    }),
    () => ({ type: "holdOrphans", at, hold: random() < 0.5 }),
    () => ({ type: "abandonUpload", at, ...upload, idleSince: at - Math.floor(random() * 20) }),
  ];
  const make: (() => Command)[] = [
    () => ({ type: "createBucket", at, name: object.bucket, owner: pick(["u1", "u2"]) }),
    () => ({
      type: "setBucketOwner",
      at,
      name: object.bucket,
      owner: pick(["u1", "u2"]),
      newOwner: pick(["u1", "u3"]),
    }),
    () => ({ type: "openChunks", at, chunks: [{ handle, members: ["s1", "s2", "s3"] }] }),
    () => ({ type: "commitObject", at, ...object, data, attributes: NO_ATTRIBUTES, condition }),
    () => ({ type: "commitObject", at, ...object, data, attributes: NO_ATTRIBUTES }),
    () => ({ type: "deleteObject", at, ...object, condition }),
    () => ({ type: "copyObject", at, source: { ...object }, bucket: pick(BUCKETS), key: pick(KEYS) }),
    () => ({ type: "createUpload", at, ...upload, owner: "u1", attributes: NO_ATTRIBUTES }),
    () => ({ type: "commitPart", at, ...upload, partNumber, data: part, checksums: {} }),
    () => ({ type: "completeUpload", at, ...upload, parts, checksums: {}, condition }),
    () => (random() < 0.2 ? { type: "abortUpload", at, ...upload } : { type: "deleteObject", at, ...object }),
    () => ({ type: "sealChunk", at, handle, version: 2, length }),
    () => pick(upkeep)(),
    () => ({ type: "deleteChunks", at, handles: [handle] }),
    () => ({ type: "forgetChunks", at, handles: [handle] }),
    () =>
      random() < 0.1
        ? { type: "deleteBucket", at, name: object.bucket }
        : { type: "deleteObject", at, ...object },
  ];
  return pick(make)();
}
