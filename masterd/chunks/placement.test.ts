import { describe, expect, test } from "bun:test";
import { CHUNK_SIZE_MAX } from "../../chunkd/protocol/record.ts";
import { seededRandom } from "../testing/random-commands.ts";
import { type Candidate, choosePlaces } from "./placement.ts";

const server = (id: string, chunksFree: number, more: Partial<Candidate> = {}): Candidate => {
  return { id, freeBytes: chunksFree * CHUNK_SIZE_MAX, openChunks: 0, primaries: 0, ...more };
};
const ids = (places: Candidate[]): string[] => places.map(({ id }) => id);

describe("the places of a chunk", () => {
  test("are three distinct servers, or as many as there are", () => {
    const random = seededRandom(1);
    const servers = ["a", "b", "c", "d", "e"].map((id) => server(id, 100));
    for (let round = 0; round < 100; round++)
      expect(new Set(ids(choosePlaces(servers, random))).size).toBe(3);
    expect(ids(choosePlaces(servers.slice(0, 2), random)).sort()).toEqual(["a", "b"]);
    expect(choosePlaces([], random)).toEqual([]);
  });

  test("are not on servers without room, that of their open chunks counted", () => {
    const servers = [
      server("a", 100),
      server("full", 2),
      server("busy", 10, { openChunks: 8 }),
      server("b", 100),
    ];
    expect(ids(choosePlaces(servers, seededRandom(2))).sort()).toEqual(["a", "b"]);
  });

  test("begin with the server that is primary least often", () => {
    const servers = [
      server("a", 100, { primaries: 2 }),
      server("b", 100, { primaries: 1 }),
      server("c", 100),
    ];
    expect(ids(choosePlaces(servers, seededRandom(3)))).toEqual(["c", "b", "a"]);
  });

  test("fall on servers in the measure of their room", () => {
    const random = seededRandom(4);
    const servers = [
      server("large", 1002),
      server("s1", 102),
      server("s2", 102),
      server("s3", 102),
      server("s4", 102),
    ];
    const count = new Map<string, number>();
    for (let round = 0; round < 2_000; round++) {
      for (const id of ids(choosePlaces(servers, random))) count.set(id, (count.get(id) ?? 0) + 1);
    }
    expect(count.get("large")!).toBeGreaterThan(1_900);
    expect(count.get("s1")!).toBeGreaterThan(700);
  });
});
