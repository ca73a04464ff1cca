// What happens to chunk files at rest: on one replica of a chunk at a time.
import { CHUNK_DIRECTORY, chunkFile, type Member } from "./cluster.ts";
import type { Fault, FaultContext } from "./fault-context.ts";

const SECTOR = 512;

/** Spoils one chunk file that may be spoiled. */
function spoil(
  c: FaultContext,
  how: (member: Member, path: string, size: number) => string | undefined,
): string | undefined {
  for (const member of c.random.shuffle(c.cluster.chunkservers)) {
    const names = c.atlas.candidates(member);
    if (names.length === 0) continue;
    const name = c.random.pick(names);
    const path = `${CHUNK_DIRECTORY}/${name}`;
    const size = member.node.disk.contentOf(path).length;
    if (size === 0) continue;
    const done = how(member, path, size);
    if (done === undefined) continue;
    c.atlas.spoil(member, name);
    return `${name} on ${member.name}: ${done}`;
  }
  return undefined;
}

/** Two chunk files of one server, each with the other's content. */
function swap(c: FaultContext): string | undefined {
  for (const member of c.random.shuffle(c.cluster.chunkservers)) {
    const [one, other] = c.random.shuffle(c.atlas.candidates(member));
    if (one === undefined || other === undefined) continue;
    const contents = [chunkFile(member, one)!, chunkFile(member, other)!] as const;
    const { disk } = member.node;
    for (const [name, content] of [
      [one, contents[1]],
      [other, contents[0]],
    ] as const) {
      disk.truncate(`${CHUNK_DIRECTORY}/${name}`, content.length);
      disk.overwrite(`${CHUNK_DIRECTORY}/${name}`, 0, content);
      c.atlas.spoil(member, name);
    }
    return `${one} and ${other} on ${member.name}`;
  }
  return undefined;
}

/** Bytes of some chunk of the same server, or of another place of the same file. */
function misdirect(c: FaultContext, member: Member, path: string, size: number): string | undefined {
  const sectors = Math.floor(size / SECTOR);
  if (sectors < 2) return undefined;
  const names = c.atlas.candidates(member);
  const source = chunkFile(member, c.random.pick(names))!;
  const from = c.random.int(0, Math.floor(source.length / SECTOR)) * SECTOR;
  const bytes = source.subarray(from, from + c.random.int(1, 8) * SECTOR);
  const at = c.random.int(0, sectors - 1) * SECTOR;
  if (bytes.length === 0) return undefined;
  member.node.disk.overwrite(path, at, Buffer.from(bytes.subarray(0, size - at)));
  return `other bytes at ${at}`;
}

export const FILE_FAULTS = {
  "bit flip": (c) => spoil(c, ({ node }, path) => `bit flipped at ${node.disk.flipBit(path)}`),
  "broken sector": (c) =>
    spoil(c, ({ node }, path, size) => {
      const at = c.random.int(0, size - 1);
      node.disk.breakSector(path, at);
      return `EIO at ${at}`;
    }),
  truncation: (c) =>
    spoil(c, ({ node }, path, size) => {
      const to = c.random.int(0, size - 1);
      node.disk.truncate(path, to);
      return `cut to ${to} of ${size}`;
    }),
  "lost file": (c) =>
    spoil(c, ({ node }, path) => {
      node.disk.destroy(path);
      return "gone";
    }),
  "lost write": (c) =>
    spoil(c, ({ node }, path) => {
      node.disk.faults.next("write", new RegExp(path), "lose");
      return "its next write is lost";
    }),
  "zeroed tail": (c) =>
    spoil(c, ({ node }, path, size) => {
      const from = c.random.int(0, size - 1);
      node.disk.overwrite(path, from, Buffer.alloc(size - from));
      return `zeros from ${from} of ${size} on`;
    }),
  "misdirected bytes": (c) => spoil(c, (member, path, size) => misdirect(c, member, path, size)),
  "swapped files": swap,
} satisfies Record<string, Fault>;
