import { expect, test } from "bun:test";
import { blockTable, encodeChunkHeader, encodeRecordHead, encodeSeal } from "../../chunkd/protocol/record.ts";
import { World } from "../world/world.ts";
import { Atlas } from "./atlas.ts";
import { CHUNK_DIRECTORY, type Cluster, type Member } from "./cluster.ts";

const CLUSTER = "0f".repeat(16);

const nameOf = (handle: number): string => `${handle.toString(16).padStart(16, "0")}.chunk`;

/** A sealed chunk file with one record. */
function chunkBytes(handle: number): Buffer {
  const payload = Buffer.from("payload");
  const record = { handle, version: 1, offset: 64, size: payload.length, table: blockTable(payload) };
  const parts = [encodeChunkHeader(handle, CLUSTER), encodeRecordHead(record), payload];
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  parts.push(encodeSeal(handle, 2, length));
  return Buffer.concat(parts);
}

/** Chunkservers of which only the disks are there. */
function disks() {
  const world = new World(1);
  const members = ["c1", "c2", "c3"].map((name) => {
    const node = world.node(name);
    return { name, node };
  }) as unknown as [Member, Member, Member];
  const atlas = new Atlas({ chunkservers: members } as unknown as Cluster);
  const put = (member: Member, name: string, bytes: Buffer): void =>
    member.node.disk.put(`${CHUNK_DIRECTORY}/${name}`, bytes);
  return { members, atlas, put };
}

test("the second of two replicas may not be spoiled while the first is another chunk's file, whole as that may be", () => {
  const { members, atlas, put } = disks();
  const [c1, c2] = members;
  for (const member of [c1, c2]) for (const handle of [1, 2]) put(member, nameOf(handle), chunkBytes(handle));
  expect(atlas.candidates(c2)).toHaveLength(2);
  put(c1, nameOf(1), chunkBytes(2));
  put(c1, nameOf(2), chunkBytes(1));
  for (const handle of [1, 2]) atlas.spoil(c1, nameOf(handle));
  expect(atlas.candidates(c2)).toEqual([]);
  put(c1, nameOf(1), chunkBytes(1));
  expect(atlas.candidates(c2)).toEqual([nameOf(1)]);
});
