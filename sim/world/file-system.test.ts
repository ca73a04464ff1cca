import { expect, test } from "bun:test";
import { FileSystem } from "./file-system.ts";
import { SeededRandom } from "./seeded-random.ts";
import { SimFile } from "./sim-file.ts";

const SEEDS = Array.from({ length: 100 }, (_, seed) => new SeededRandom(`names ${seed}`));

function fileSystem(): FileSystem<SimFile> {
  return new FileSystem<SimFile>(["/data"]);
}

function syncDirectory(files: FileSystem<SimFile>, path: string): void {
  files.synced(path, files.mark(path));
}

/** How often `has` held over all seeds, after `prepare` and a power failure. */
function survivals(prepare: (files: FileSystem<SimFile>) => void, path: string): number {
  let survived = 0;
  for (const random of SEEDS) {
    const files = fileSystem();
    prepare(files);
    files.powerLoss(random);
    if (files.has(path)) survived++;
  }
  return survived;
}

test("a name lasts once its directory was synced, and may be lost before, even if the file was synced", () => {
  const make = (files: FileSystem<SimFile>): SimFile => {
    const file = new SimFile();
    files.add("/data/a", file);
    file.write(Buffer.from("x"), 0);
    file.synced(file.mark);
    return file;
  };
  const unsynced = survivals(make, "/data/a");
  expect(unsynced).toBeGreaterThan(10);
  expect(unsynced).toBeLessThan(90);
  const synced = survivals((files) => {
    make(files);
    syncDirectory(files, "/data");
  }, "/data/a");
  expect(synced).toBe(100);
});

test("a removal that was not synced may come back with its bytes", () => {
  let back = 0;
  for (const random of SEEDS) {
    const files = fileSystem();
    const file = new SimFile();
    files.add("/data/a", file);
    file.write(Buffer.from("kept"), 0);
    file.synced(file.mark);
    syncDirectory(files, "/data");
    files.remove("/data/a");
    expect(files.has("/data/a")).toBe(false);
    files.powerLoss(random);
    if (files.has("/data/a") && files.file("/data/a").size === 4) back++;
  }
  expect(back).toBeGreaterThan(10);
  expect(back).toBeLessThan(90);
});

test("a rename over a file leaves the old file or the new one under the name, never none", () => {
  const outcomes = new Map<number, number>();
  for (const random of SEEDS) {
    const files = fileSystem();
    for (const [name, size] of [
      ["old", 1],
      ["new", 2],
    ] as const) {
      const file = new SimFile();
      file.write(Buffer.alloc(size), 0);
      file.synced(file.mark);
      files.add(`/data/${name}`, file);
    }
    syncDirectory(files, "/data");
    files.rename("/data/new", "/data/old");
    files.powerLoss(random);
    const { size } = files.file("/data/old");
    expect(files.has("/data/new")).toBe(size === 1);
    outcomes.set(size, (outcomes.get(size) ?? 0) + 1);
  }
  expect([...outcomes.keys()].sort()).toEqual([1, 2]);
});

test("a directory that is lost takes its files with it", () => {
  const outcomes = new Set<boolean>();
  for (const random of SEEDS) {
    const files = fileSystem();
    files.mkdir("/data/sub");
    files.add("/data/sub/a", new SimFile());
    syncDirectory(files, "/data/sub");
    files.powerLoss(random);
    const isThere = files.has("/data/sub");
    expect(files.has("/data/sub/a")).toBe(isThere);
    if (!isThere) expect(() => files.list("/data/sub")).toThrow("ENOENT");
    outcomes.add(isThere);
  }
  expect(outcomes.size).toBe(2);
});

test("changes of one directory are lost from the end only", () => {
  for (const random of SEEDS) {
    const files = fileSystem();
    for (const name of ["a", "b", "c", "d"]) files.add(`/data/${name}`, new SimFile());
    files.powerLoss(random);
    const names = files.list("/data");
    expect(names).toEqual(["a", "b", "c", "d"].slice(0, names.length));
  }
});
