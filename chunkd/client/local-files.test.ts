import { describe, expect, test } from "bun:test";
import type { Disk, DiskFile } from "../../std/disk.ts";
import { encodeChunkHeader } from "../protocol/record.ts";
import { LocalFiles } from "./local-files.ts";
import { ManualClock, turn } from "./testing/clocks.ts";

const CLUSTER = "ab".repeat(16);

/** A disk with a chunk file of every handle, unless `missing`; counts what is open. */
function start() {
  const clock = new ManualClock();
  const state = { open: new Set<string>(), opens: 0, missing: false, cluster: CLUSTER };
  const disk = {
    async open(path: string) {
      state.opens++;
      if (state.missing) throw Object.assign(new Error("gone"), { code: "ENOENT" });
      state.open.add(path);
      const handle = Number.parseInt(path.slice(-22, -6), 16);
      return {
        async read(into: Uint8Array) {
          into.set(encodeChunkHeader(handle, state.cluster));
          return into.length;
        },
        close: async () => void state.open.delete(path),
      } as unknown as DiskFile;
    },
  } as unknown as Disk;
  const files = new LocalFiles({ clock, disk }, CLUSTER);
  const opened = async (handle: number) => {
    files.file("/d", handle);
    await turn();
    return files.file("/d", handle);
  };
  return { clock, state, files, opened };
}

describe("files of chunks on this machine", () => {
  test("are opened once and stay open while they are read, at most 128 of them", async () => {
    const { state, opened } = start();
    for (let handle = 1; handle <= 300; handle++) {
      expect(await opened(handle)).toBeDefined();
      expect(await opened(1)).toBeDefined();
    }
    expect(state.opens).toBe(300);
    expect(state.open.size).toBe(128);
    expect(state.open.has("/d/0000000000000001.chunk")).toBe(true);
  });

  test("are closed when nobody reads them, so that a removed one gives its space back", async () => {
    const { clock, state, files, opened } = start();
    await opened(1);
    await opened(2);
    const reading = Promise.withResolvers<void>();
    const read = files.using("/d", 2, () => reading.promise);
    await clock.advance(30_000);
    expect([...state.open]).toEqual(["/d/0000000000000002.chunk"]);
    reading.resolve();
    await read;
    await clock.advance(30_000);
    expect(state.open.size).toBe(0);
  });

  test("of another cluster, or not there, are left alone and looked at again only after a while", async () => {
    for (const change of [{ missing: true }, { cluster: "cd".repeat(16) }]) {
      const { clock, state, opened } = start();
      Object.assign(state, change);
      for (let i = 0; i < 5; i++) expect(await opened(1)).toBeUndefined();
      expect(state.opens).toBe(1);
      expect(state.open.size).toBe(0);
      Object.assign(state, { missing: false, cluster: CLUSTER });
      await clock.advance(25_000);
      expect(await opened(1)).toBeDefined();
    }
  });

  test("that gave nothing of use are closed behind their last reader, and refused for a while", async () => {
    const { clock, state, files, opened } = start();
    await opened(1);
    const reading = Promise.withResolvers<void>();
    const read = files.using("/d", 1, () => reading.promise);
    files.refuse("/d", 1);
    expect(await opened(1)).toBeUndefined();
    expect(state.open.size).toBe(1);
    reading.resolve();
    await read;
    expect(state.open.size).toBe(0);
    await clock.advance(25_000);
    expect(await opened(1)).toBeDefined();
  });
});
