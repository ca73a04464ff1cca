// The bytes that are hashed and sealed; see FORMAT.md.
import { createHmac, hash, timingSafeEqual } from "node:crypto";
import type { Entry } from "./entry.ts";

export const VERSION = 1;
export const HASH_SIZE = 32;
export const NO_HASH: Buffer = Buffer.alloc(HASH_SIZE);

/** version, previous hash, sequence, time, count. */
const FIXED_SIZE = 1 + HASH_SIZE + 8 + 8 + 8;

/** A place in the chain: the hash of the entry `sequence`. */
export interface Position {
  sequence: number;
  hash: Buffer;
}

export function textsOf(entry: Entry): string[] {
  return [
    entry.actorKind,
    entry.actorId,
    entry.actorName,
    entry.credential,
    entry.action,
    entry.resource,
    entry.outcome,
    entry.code,
    entry.source,
    entry.userAgent,
    entry.requestId,
    entry.details,
  ];
}

export function hashEntry(entry: Entry, previous: Position): Buffer {
  const texts = textsOf(entry);
  const sizes = texts.map((text) => Buffer.byteLength(text));
  const bytes = Buffer.allocUnsafe(sizes.reduce((sum, size) => sum + 4 + size, FIXED_SIZE));
  let at = bytes.writeUInt8(VERSION, 0);
  at += previous.hash.copy(bytes, at);
  at = bytes.writeBigUInt64BE(BigInt(previous.sequence + 1), at);
  // A row that was altered may hold any number.
  at = bytes.writeBigUInt64BE(BigInt.asUintN(64, BigInt(entry.time)), at);
  at = bytes.writeBigUInt64BE(BigInt.asUintN(64, BigInt(entry.count)), at);
  for (const [index, text] of texts.entries()) {
    at = bytes.writeUInt32BE(sizes[index]!, at);
    at += bytes.write(text, at);
  }
  return hash("sha256", bytes, "buffer");
}

const SEALED = { head: 1, checkpoint: 2, retention: 3 } as const;
export type Sealed = keyof typeof SEALED;

/** Seals what the database alone must not be able to make up. */
export class Seal {
  private readonly key: Buffer;

  constructor(clusterSecret: string) {
    this.key = createHmac("sha256", clusterSecret).update("skerry audit log").digest();
  }

  of(what: Sealed, { sequence, hash }: Position): Buffer {
    const bytes = Buffer.alloc(1 + 8 + HASH_SIZE);
    bytes.writeUInt8(SEALED[what], 0);
    bytes.writeBigUInt64BE(BigInt.asUintN(64, BigInt(sequence)), 1);
    hash.copy(bytes, 9);
    return createHmac("sha256", this.key).update(bytes).digest();
  }

  holds(seal: Buffer, what: Sealed, position: Position): boolean {
    const expected = this.of(what, position);
    return seal.length === expected.length && timingSafeEqual(seal, expected);
  }
}
