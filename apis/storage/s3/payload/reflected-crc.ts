// CRCs in WebAssembly: slicing by 16 with 64-bit tables, for every CRC of up to 64 bits that is reflected, begins with
// all ones and is complemented at the end. A narrower CRC is the same computation in the low bits of the register.
// Why not JavaScript: it has no 64-bit integers that are fast, and two halves cost twice the look-ups. The module is
// one function, so it is assembled here instead of being a binary in the repository.
//
// Memory: 0 sixteen tables of 256 u64, 32 KiB | 64 KiB the window that input is copied to, 256 KiB.

import { assert } from "../../../../std/assert.ts";

const STRIDE = 16;
const TABLE_SIZE = 256 * 8;
const PAGE_SIZE = 64 * 1024;
const WINDOW_AT = PAGE_SIZE;
/** Fits the second-level cache, and is the largest read of a socket. */
const WINDOW_SIZE = 4 * PAGE_SIZE;

assert(STRIDE * TABLE_SIZE <= WINDOW_AT, "the tables must end before the window");

/** The opcodes used, by their names in the WebAssembly specification. */
const OP = {
  block: 0x02,
  loop: 0x03,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  i64Load: 0x29,
  i64Load8U: 0x31,
  i32Const: 0x41,
  i64Const: 0x42,
  i32GeU: 0x4f,
  i32Add: 0x6a,
  i32And: 0x71,
  i32Shl: 0x74,
  i64Xor: 0x85,
  i64ShrU: 0x88,
  i32WrapI64: 0xa7,
} as const;

const I32 = 0x7f;
const I64 = 0x7e;
const VOID = 0x40;
/** Alignment 1: a window may begin and end anywhere. */
const UNALIGNED = 0;

// Parameters and locals of the function.
const CRC = 0;
const AT = 1;
const END = 2;
const LOW = 3;
const HIGH = 4;

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 0x80; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return [...bytes, value];
}

function signed(value: number): number[] {
  const bytes: number[] = [];
  for (;;) {
    const byte = value & 0x7f;
    value >>= 7;
    if ((value === 0 && byte < 0x40) || (value === -1 && byte >= 0x40)) return [...bytes, byte];
    bytes.push(byte | 0x80);
  }
}

function section(id: number, content: number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

/** Pushes `tables[table][byte number `byte` of the i64 local]`. */
function lookUp(local: number, byte: number, table: number): number[] {
  const shift = byte * 8 - 3;
  const scaled =
    byte === 0
      ? [OP.localGet, local, OP.i32WrapI64, OP.i32Const, 3, OP.i32Shl]
      : [OP.localGet, local, OP.i64Const, ...signed(shift), OP.i64ShrU, OP.i32WrapI64];
  const offset = unsigned(table * TABLE_SIZE);
  return [...scaled, OP.i32Const, ...signed(0xff << 3), OP.i32And, OP.i64Load, UNALIGNED, ...offset];
}

/** `crc` = xor of sixteen look-ups: the first byte of the input has fifteen more behind it, the last none. */
function sixteenBytes(): number[] {
  const load = (offset: number): number[] => [OP.localGet, AT, OP.i64Load, UNALIGNED, offset];
  const code = [...load(0), OP.localGet, CRC, OP.i64Xor, OP.localSet, LOW, ...load(8), OP.localSet, HIGH];
  for (let byte = 0; byte < STRIDE; byte++) {
    code.push(...lookUp(byte < 8 ? LOW : HIGH, byte % 8, STRIDE - 1 - byte));
    if (byte > 0) code.push(OP.i64Xor);
  }
  return [...code, OP.localSet, CRC];
}

function oneByte(): number[] {
  const mixed = [OP.localGet, CRC, OP.localGet, AT, OP.i64Load8U, 0, 0, OP.i64Xor, OP.localSet, LOW];
  const rest = [OP.localGet, CRC, OP.i64Const, 8, OP.i64ShrU];
  return [...mixed, ...lookUp(LOW, 0, 0), ...rest, OP.i64Xor, OP.localSet, CRC];
}

/** Repeats `body` while `step` more bytes fit before `END`; `body` may not branch. */
function whileRoom(step: number, body: number[]): number[] {
  const advance = [OP.localGet, AT, OP.i32Const, step, OP.i32Add];
  // Leaves when at + step >= end + 1, that is at + step > end.
  const full = [...advance, OP.localGet, END, OP.i32Const, 1, OP.i32Add, OP.i32GeU, OP.brIf, 1];
  const next = [...advance, OP.localSet, AT, OP.br, 0];
  return [OP.block, VOID, OP.loop, VOID, ...full, ...body, ...next, OP.end, OP.end];
}

/** (import "e" "m" (memory 1)) (func (export "u") (param i64 i32 i32) (result i64) (local i64 i64) ...) */
function assemble(): Uint8Array<ArrayBuffer> {
  const name = (text: string): number[] => [text.length, ...Buffer.from(text, "latin1")];
  const code = [...whileRoom(STRIDE, sixteenBytes()), ...whileRoom(1, oneByte()), OP.localGet, CRC, OP.end];
  const body = [1, 2, I64, ...code];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 3, I64, I32, I32, 1, I64]),
    ...section(2, [1, ...name("e"), ...name("m"), 2, 0, 1]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...name("u"), 0, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ]);
}

const compiled = new WebAssembly.Module(assemble());

type UpdateFunction = (crc: bigint, at: number, end: number) => bigint;

/** One polynomial with its tables. */
export class ReflectedCrc {
  private readonly window: Uint8Array;
  private readonly run: UpdateFunction;
  private readonly mask: bigint;

  /** `polynomial` in reflected form, its highest bit standing for x^0; `width` in bits, 64 at most. */
  constructor(
    readonly width: number,
    readonly polynomial: bigint,
  ) {
    this.mask = (1n << BigInt(width)) - 1n;
    const memory = new WebAssembly.Memory({ initial: (WINDOW_AT + WINDOW_SIZE) / PAGE_SIZE });
    fillTables(new BigUint64Array(memory.buffer, 0, STRIDE * 256), polynomial);
    this.window = new Uint8Array(memory.buffer, WINDOW_AT, WINDOW_SIZE);
    this.run = new WebAssembly.Instance(compiled, { e: { m: memory } }).exports.u as UpdateFunction;
  }

  /** The CRC of what `crc` (0n at the beginning) is the CRC of, followed by `bytes`. */
  update(crc: bigint, bytes: Uint8Array): bigint {
    let register = crc ^ this.mask;
    for (let at = 0; at < bytes.length; at += WINDOW_SIZE) {
      const part = bytes.length - at > WINDOW_SIZE || at > 0 ? bytes.subarray(at, at + WINDOW_SIZE) : bytes;
      this.window.set(part);
      register = BigInt.asUintN(64, this.run(register, WINDOW_AT, WINDOW_AT + part.length));
    }
    return register ^ this.mask;
  }
}

/** tables[k][b]: the register after the byte b and k zero bytes. */
function fillTables(tables: BigUint64Array, polynomial: bigint): void {
  for (let byte = 0; byte < 256; byte++) {
    let crc = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ polynomial : crc >> 1n;
    tables[byte] = crc;
  }
  for (let i = 256; i < tables.length; i++) {
    const previous = tables[i - 256]!;
    tables[i] = (previous >> 8n) ^ tables[Number(previous & 0xffn)]!;
  }
}
