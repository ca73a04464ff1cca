import { afterEach, describe, expect, test } from "bun:test";
import { appendFile, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PowerDisk } from "../../chunkd/testing/power-disk.ts";
import { type Disk, type DiskFile, systemDisk } from "../../std/disk.ts";
import { jsonLog, silentLog } from "../../std/log.ts";
import { cleanUp, codeOf, testDirectory } from "../testing/test-master.ts";
import { createJournal, type Journal, type JournalOptions, openJournal } from "./journal.ts";

const CLUSTER = "00112233445566778899aabbccddeeff";
afterEach(cleanUp);

async function options(more: Partial<JournalOptions> = {}): Promise<JournalOptions> {
  const directory = join(await testDirectory(), "journal");
  return { disk: systemDisk, directory, clusterId: CLUSTER, log: silentLog, ...more };
}

const append = (journal: Journal, ...texts: string[]): Promise<void> =>
  journal.append(texts.map((text) => Buffer.from(text)));

/** Opens the journal and gives all that it holds behind `applied`. */
async function replayed(opts: JournalOptions, applied = 0): Promise<string[]> {
  const found: string[] = [];
  const journal = await openJournal(opts, applied, (sequence, command) =>
    found.push(`${sequence}:${command}`),
  );
  await journal.close();
  return found;
}

/** A journal whose every record but the first of a segment begins a new one. */
async function threeSegments(): Promise<JournalOptions & { files: string[] }> {
  const opts = await options({ segmentSizeMax: 65 });
  const journal = await createJournal(opts);
  for (const text of ["a", "b", "c"]) await append(journal, text);
  await journal.close();
  const names = (await readdir(opts.directory)).sort();
  return { ...opts, files: names.map((name) => join(opts.directory, name)) };
}

describe("the journal", () => {
  test("gives back every command in order behind the applied one, and goes on from there", async () => {
    const opts = await options();
    const journal = await createJournal(opts);
    await append(journal, "a", "b");
    await append(journal, "c");
    await journal.close();
    expect(await replayed(opts)).toEqual(["1:a", "2:b", "3:c"]);
    expect(await replayed(opts, 2)).toEqual(["3:c"]);
    const again = await openJournal(opts, 3, () => {});
    await append(again, "d");
    await again.close();
    expect(await replayed(opts, 2)).toEqual(["3:c", "4:d"]);
  });

  test("cuts a torn tail off, says so, and appends behind the cut", async () => {
    const lines: string[] = [];
    const opts = await options({ log: jsonLog((line) => lines.push(line)) });
    const journal = await createJournal(opts);
    await append(journal, "a");
    await append(journal, "torn");
    await journal.close();
    const [name] = await readdir(opts.directory);
    const path = join(opts.directory, name!);
    await truncate(path, (await readFile(path)).length - 1);
    const reopened = await openJournal(opts, 0, () => {});
    await append(reopened, "b");
    await reopened.close();
    expect(lines.filter((line) => line.includes("torn tail"))).toHaveLength(1);
    expect(await replayed(opts)).toEqual(["1:a", "2:b"]);
  });

  test("refuses damage in front of a good record, in any segment, and leaves the files alone", async () => {
    const opts = await options();
    const journal = await createJournal(opts);
    for (const text of ["a", "b"]) await append(journal, text);
    await journal.close();
    const path = join(opts.directory, (await readdir(opts.directory))[0]!);
    const bytes = await readFile(path);
    bytes[64 + 33]! ^= 1;
    await writeFile(path, bytes);
    expect(await codeOf(openJournal(opts, 0, () => {}))).toBe("NOT_READY");
    expect(await readFile(path)).toEqual(bytes);
    const segments = await threeSegments();
    await truncate(segments.files[0]!, 70);
    expect(await codeOf(openJournal(segments, 0, () => {}))).toBe("NOT_READY");
  });

  test("refuses when the first, a middle or every segment is missing", async () => {
    for (const missing of [[0], [1], [0, 1, 2]]) {
      const opts = await threeSegments();
      for (const index of missing) await rm(opts.files[index]!);
      expect(await codeOf(openJournal(opts, 0, () => {}))).toBe("NOT_READY");
    }
  });

  test("refuses when it ends before what the catalog has applied", async () => {
    const opts = await threeSegments();
    await rm(opts.files[2]!);
    expect(await replayed(opts, 2)).toEqual([]);
    expect(await codeOf(openJournal(opts, 3, () => {}))).toBe("NOT_READY");
  });

  test("refuses another cluster's segments", async () => {
    const opts = await threeSegments();
    const foreign = { ...opts, clusterId: "f".repeat(32) };
    expect(await codeOf(openJournal(foreign, 0, () => {}))).toBe("NOT_READY");
  });

  test("removes a segment that was being made in the crash, with a header torn at any byte", async () => {
    for (const size of [0, 1, 63]) {
      const opts = await threeSegments();
      const path = join(opts.directory, "0000000000000004.log");
      await writeFile(path, Buffer.alloc(size));
      expect(await replayed(opts)).toEqual(["1:a", "2:b", "3:c"]);
      expect(await readdir(opts.directory)).toHaveLength(3);
    }
  });

  test("drops whole segments that have been passed, never the last", async () => {
    const opts = await threeSegments();
    const journal = await openJournal(opts, 0, () => {});
    expect(await journal.dropThrough(1)).toBe(1);
    expect(await journal.dropThrough(3)).toBe(1);
    expect(await readdir(opts.directory)).toEqual(["0000000000000003.log"]);
    await journal.close();
    expect(await codeOf(openJournal(opts, 1, () => {}))).toBe("NOT_READY");
    expect(await replayed(opts, 2)).toEqual(["3:c"]);
  });

  test("is as before after a write that found no space, and takes nothing after a sync that failed", async () => {
    let failing: "write" | "sync" | undefined;
    const faulty = (file: DiskFile): DiskFile => ({
      read: (into, position) => file.read(into, position),
      async write(parts, position) {
        if (failing !== "write") return file.write(parts, position);
        await file.write([parts[0]!.subarray(0, 10)], position);
        throw Object.assign(new Error("full"), { code: "ENOSPC" });
      },
      async sync() {
        if (failing === "sync") throw Object.assign(new Error("broken"), { code: "EIO" });
        return file.sync();
      },
      truncate: (size) => file.truncate(size),
      size: () => file.size(),
      close: () => file.close(),
    });
    const disk = {
      ...systemDisk,
      open: async (path: string, mode: "read" | "write" | "create") =>
        faulty(await systemDisk.open(path, mode)),
    };
    const opts = await options({ disk });
    const journal = await createJournal(opts);
    await append(journal, "a");
    failing = "write";
    expect(await codeOf(append(journal, "lost"))).toBe("ENOSPC");
    failing = undefined;
    await append(journal, "b");
    failing = "sync";
    expect(await codeOf(append(journal, "unknown"))).toBe("EIO");
    failing = undefined;
    expect(await codeOf(append(journal, "never"))).toBe("EIO");
    await journal.close();
    expect((await replayed(opts)).slice(0, 2)).toEqual(["1:a", "2:b"]);
  });

  test("ignores files that are no segments", async () => {
    const opts = await threeSegments();
    await appendFile(join(opts.directory, "notes.txt"), "hello");
    expect(await replayed(opts, 2)).toEqual(["3:c"]);
  });
});

/** `disk` as a process sees it that is killed before any of its syncs is done, names included. */
function unsynced(disk: PowerDisk): Disk {
  return Object.assign(Object.create(disk) as PowerDisk, {
    syncDirectory: async () => {},
    open: async (path: string, mode: "read" | "write" | "create"): Promise<DiskFile> => {
      return { ...(await disk.open(path, mode)), sync: async () => {} };
    },
  });
}

test("what a killed master wrote and did not sync is durable before it counts", async () => {
  const power = new PowerDisk();
  const opts = await options({ disk: power });
  await (await createJournal(opts)).close();
  const killed = await openJournal({ ...opts, disk: unsynced(power) }, 0, () => {});
  await append(killed, "a");
  await killed.close();
  const heard: string[] = [];
  const next = await openJournal(opts, 0, (_, command) => heard.push(command.toString()));
  await next.close();
  power.powerOff();
  await power.lose();
  expect(heard).toEqual(["a"]);
  expect(await replayed({ ...opts, disk: systemDisk })).toEqual(["1:a"]);
});

test("so is the name of a segment that a killed master made", async () => {
  const power = new PowerDisk();
  const opts = await options({ disk: power });
  await systemDisk.mkdir(opts.directory);
  await (await createJournal({ ...opts, disk: unsynced(power) })).close();
  const next = await openJournal(opts, 0, () => {});
  await append(next, "a");
  await next.close();
  power.powerOff();
  await power.lose();
  expect(await replayed({ ...opts, disk: systemDisk })).toEqual(["1:a"]);
});
