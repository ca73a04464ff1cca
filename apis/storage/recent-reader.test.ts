import { expect, test } from "bun:test";
import type { Extent } from "../../chunkd/protocol/record.ts";
import { RecentReader } from "./recent-reader.ts";
import { MemoryChunks } from "./testing/memory-engine.ts";

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

async function gathered(source: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

/** A reader over chunks that counts what it is asked for. */
async function store(text: string, bytesMax?: number) {
  const chunks = new MemoryChunks();
  let pieces = 0;
  chunks.beforePiece = () => void pieces++;
  const extents = await chunks.write(bytesOf(text));
  return { chunks, extents, reader: new RecentReader(chunks, bytesMax), asked: () => pieces };
}

const all = (reader: RecentReader, extents: Extent[]) =>
  gathered(reader.read(extents, {}, 0, extents[0]!.length));

test("what was read as a whole is given again, whole or in part, without asking", async () => {
  const { reader, extents, asked } = await store("0123456789");
  expect(await all(reader, extents)).toBe("0123456789");
  expect(await all(reader, extents)).toBe("0123456789");
  expect(await gathered(reader.read(extents, {}, 3, 6))).toBe("345");
  expect(await gathered(reader.read(extents, {}, 4, 4))).toBe("");
  expect({ asked: asked(), hits: reader.hits }).toEqual({ asked: 1, hits: 3 });
});

test("what is remembered is held, and only that", async () => {
  const { reader, extents, asked } = await store("0123456789");
  expect(reader.held(extents, 0, 10)).toBeUndefined();
  await all(reader, extents);
  expect(Buffer.from(reader.held(extents, 0, 10)!).toString()).toBe("0123456789");
  expect(Buffer.from(reader.held(extents, 3, 6)!).toString()).toBe("345");
  expect(reader.held([{ ...extents[0]!, checksum: 7 }], 0, 10)).toBeUndefined();
  expect(reader.held([extents[0]!, extents[0]!], 0, 20)).toBeUndefined();
  expect({ asked: asked(), hits: reader.hits }).toEqual({ asked: 1, hits: 2 });
});

test("a part, a read that fails and one that is given up are not remembered", async () => {
  const { reader, chunks, extents, asked } = await store("0123456789");
  expect(await gathered(reader.read(extents, {}, 0, 5))).toBe("01234");
  chunks.beforePiece = () => {
    throw new Error("no replica");
  };
  await expect(all(reader, extents)).rejects.toThrow("no replica");
  chunks.beforePiece = undefined;
  const left = reader.read(extents, {}, 0, 10)[Symbol.asyncIterator]();
  await left.next();
  await left.return?.();
  expect({ asked: asked(), hits: reader.hits, held: reader.heldBytes }).toEqual({
    asked: 1,
    hits: 0,
    held: 0,
  });
});

test("another extent is another object, also at the same place", async () => {
  const { reader, extents, asked } = await store("0123456789");
  await all(reader, extents);
  await all(reader, [{ ...extents[0]!, checksum: 7 }]);
  expect(asked()).toBe(2);
});

test("the least recently read leave when there is no room", async () => {
  const { reader, chunks, extents } = await store("0123456789", 600);
  const second = await chunks.write(bytesOf("second"));
  const third = await chunks.write(bytesOf("third"));
  await all(reader, extents);
  await all(reader, second);
  await all(reader, extents);
  await all(reader, third); // the second one leaves
  expect(reader.hits).toBe(1);
  expect(await all(reader, extents)).toBe("0123456789");
  expect(reader.hits).toBe(2);
  expect(await all(reader, second)).toBe("second");
  expect(reader.hits).toBe(2);
  expect(reader.heldBytes).toBeLessThanOrEqual(600);
});
