import { describe, expect, test } from "bun:test";
import {
  blockTable,
  encodeChunkHeader,
  encodeRecordHead,
  encodeSeal,
  extendChecksum,
} from "../../chunkd/protocol/record.ts";
import { extentBytes, parseChunk } from "./chunk-file.ts";
import { bytesOf } from "./content.ts";
import { History } from "./history.ts";
import {
  checkCounts,
  checkGarbage,
  checkObjects,
  checkReplicas,
  replicaProblem,
  type StoredFiles,
} from "./replicas.ts";

const CLUSTER = "0f".repeat(16);
const HANDLE = 0x1234;
const NAME = "0000000000001234.chunk";

/** A chunk file as production writes it, and the extent of all its records. */
function chunkFile(payloads: Buffer[], { version = 2, recordVersions = payloads.map(() => 1) } = {}) {
  const handle = HANDLE;
  const parts = [encodeChunkHeader(handle, CLUSTER)];
  let offset = 64;
  let checksum = 0;
  for (const [index, payload] of payloads.entries()) {
    const recordVersion = recordVersions[index]!;
    const head = encodeRecordHead({
      handle,
      version: recordVersion,
      offset,
      size: payload.length,
      table: blockTable(payload),
    });
    checksum = extendChecksum(checksum, head.readUInt32LE(head.length - 4));
    parts.push(head, payload);
    offset += head.length + payload.length;
  }
  parts.push(encodeSeal(handle, version, offset));
  const length = payloads.reduce((sum, { length: size }) => sum + size, 0);
  return { file: Buffer.concat(parts), extent: { handle, offset: 64, length, checksum } };
}

const piece = { name: "v1", size: (1 << 20) + 70_000 };
const content = bytesOf(piece);
const { file, extent } = chunkFile([content.subarray(0, 1 << 20), content.subarray(1 << 20)]);
const history = new History();
const etag = history.announce([piece]);
const object = { key: "k", etag, extents: [extent] };

const on = (server: string, bytes: Buffer | undefined, counts = true): StoredFiles => {
  return { server, counts, files: new Map(bytes ? [[NAME, bytes]] : []) };
};
const changed = (at: number): Buffer => {
  const bytes = Buffer.from(file);
  bytes[at]! ^= 0x10;
  return bytes;
};

describe("reading a chunk file", () => {
  test("finds the records that production wrote, and their payload", () => {
    const chunk = parseChunk(file)!;
    expect(chunk).toMatchObject({ handle: HANDLE, clusterId: CLUSTER, seal: 2, problem: undefined });
    expect(chunk.records.map(({ size }) => size)).toEqual([1 << 20, 70_000]);
    expect(extentBytes(file, chunk, extent)).toEqual(content);
  });

  test("notices a flipped bit in every part of it", () => {
    const { file: small } = chunkFile([Buffer.from("hello")]);
    for (let bit = 0; bit < small.length * 8; bit++) {
      const bytes = Buffer.from(small);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      const isNoticed = replicaProblem(bytes, HANDLE, CLUSTER) !== undefined;
      // What a reserved field of a header holds is covered by its CRC too; a version is checked against the seal.
      if (!isNoticed) throw new Error(`bit ${bit} may flip`);
    }
  });

  test("notices a torn end, a missing seal, bytes behind it, and a file that is another chunk's", () => {
    expect(replicaProblem(file, HANDLE, CLUSTER)).toBeUndefined();
    expect(replicaProblem(file.subarray(0, file.length - 1), HANDLE, CLUSTER)).toContain("fewer bytes");
    expect(replicaProblem(file.subarray(0, file.length - 44), HANDLE, CLUSTER)).toBe("it is not sealed");
    expect(replicaProblem(Buffer.concat([file, Buffer.alloc(1)]), HANDLE, CLUSTER)).toContain("not the end");
    expect(replicaProblem(file, HANDLE + 1, CLUSTER)).toContain(`chunk ${HANDLE}`);
    expect(replicaProblem(file, HANDLE, "00".repeat(16))).toContain("another cluster");
    const parts = [Buffer.from("one"), Buffer.from("two")];
    const late = chunkFile(parts, { recordVersions: [1, 2] }).file;
    expect(replicaProblem(late, HANDLE, CLUSTER)).toBe("a record of version 2 under a seal of version 2");
    const later = chunkFile(parts, { recordVersions: [3, 3] }).file;
    expect(replicaProblem(later, HANDLE, CLUSTER)).toBe("a record of version 3 under a seal of version 2");
    const compacted = chunkFile(parts, { recordVersions: [2, 2] }).file;
    expect(replicaProblem(compacted, HANDLE, CLUSTER)).toBeUndefined();
  });

  test("refuses an extent that is not what the file has", () => {
    const chunk = parseChunk(file)!;
    expect(extentBytes(file, chunk, { ...extent, checksum: 1 })).toContain("checksum");
    expect(extentBytes(file, chunk, { ...extent, offset: 65 })).toContain("no record begins");
    expect(extentBytes(file, chunk, { ...extent, length: extent.length + 1 })).toContain("has 70000 bytes");
  });
});

describe("the audit", () => {
  const audit = (servers: StoredFiles[], wanted = 3): string[] =>
    [
      ...checkCounts(servers, [object], wanted),
      ...checkReplicas(CLUSTER, servers, [object]),
      ...checkObjects(history, servers, [object]),
      ...checkGarbage(servers, [object]),
    ].map(({ promise }) => promise);

  test("passes three whole replicas, and disks that do not count", () => {
    expect(audit([on("a", file), on("b", file), on("c", file), on("d", undefined)])).toEqual([]);
    expect(audit([on("a", file), on("b", file), on("c", file), on("d", changed(100), false)])).toEqual([]);
    expect(audit([on("a", file), on("b", file)], 2)).toEqual([]);
  });

  test("misses a replica, and counts one too many", () => {
    expect(audit([on("a", file), on("b", file), on("c", undefined)])).toEqual(["P7"]);
    expect(audit([on("a", file), on("b", file), on("c", file), on("d", file)])).toEqual(["P7"]);
  });

  test("finds a damaged replica, and one that differs though it is sound", () => {
    expect(audit([on("a", file), on("b", changed(200_000)), on("c", file)])).toEqual(["P8", "P1"]);
    const { file: other } = chunkFile([bytesOf({ name: "v2", size: 1 << 20 }), content.subarray(1 << 20)]);
    expect(audit([on("a", file), on("b", file), on("c", other)])).toEqual(["P8", "P1"]);
    const { file: later } = chunkFile([content.subarray(0, 1 << 20), content.subarray(1 << 20)], {
      version: 3,
    });
    expect(audit([on("a", file), on("b", file), on("c", later)])).toEqual(["P8"]);
  });

  test("finds an object whose content nobody wrote", () => {
    const servers = [on("a", file)];
    expect(checkObjects(history, servers, [{ ...object, etag: "0".repeat(32) }])).toHaveLength(1);
  });

  test("finds files that nothing refers to", () => {
    const junk: StoredFiles = {
      server: "a",
      counts: true,
      files: new Map([["00000000000000ff.chunk", file]]),
    };
    expect(checkGarbage([junk], [object])).toHaveLength(1);
    expect(checkGarbage([{ ...junk, counts: false }], [object])).toEqual([]);
  });
});
