import { afterEach, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Disk, type DiskFile, systemDisk } from "../../std/disk.ts";
import { silentLog } from "../../std/log.ts";
import { apply } from "../catalog/apply.ts";
import { Catalog } from "../catalog/catalog.ts";
import type { Command, CommandType } from "../catalog/commands.ts";
import { CatalogDatabase } from "../catalog/database.ts";
import { pack, unpack } from "../catalog/packing.ts";
import { dump } from "../testing/dump.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { randomCommands, seededRandom } from "../testing/random-commands.ts";
import {
  atEnd,
  cleanUp,
  codeOf,
  crashedCopy,
  emptyData,
  NO_ATTRIBUTES,
  testDirectory,
  until,
} from "../testing/test-master.ts";
import { openStore, type StoreOptions } from "./open-store.ts";
import type { Store } from "./store.ts";

const CLUSTER = "00112233445566778899aabbccddeeff";
afterEach(cleanUp);

interface Opened {
  store: Store;
  clock: ManualClock;
  directory: string;
}

/** Room to work in, but none for a reserve that every copy of a directory would copy. */
const noReserve: Disk = { ...systemDisk, space: async () => ({ total: 1e12, free: 64 << 20 }) };

async function open(options: Partial<StoreOptions> = {}, disk: Disk = noReserve): Promise<Opened> {
  const directory = options.directory ?? (await testDirectory());
  const clock = new ManualClock();
  const env = { clock, disk, log: silentLog };
  const store = await openStore(env, { clusterId: CLUSTER, ...options, directory });
  let isOpen = true;
  const close = store.close.bind(store);
  store.close = async () => {
    if (isOpen) await close();
    isOpen = false;
  };
  atEnd(() => store.close());
  return { store, clock, directory };
}

const submit = (store: Store, command: Command): Promise<unknown> =>
  store.submit<CommandType>(command as never);

const bucket: Command = { type: "createBucket", at: 1, name: "bucket", owner: "u" };
const put = (key: string, tag = ""): Command => ({
  type: "commitObject",
  at: 2,
  bucket: "bucket",
  key,
  data: emptyData(tag),
  attributes: NO_ATTRIBUTES,
});

/** What the catalog must be after `commands`, without journal or crash. */
async function expectedDump(commands: readonly Command[]): Promise<string> {
  const database = CatalogDatabase.create(join(await testDirectory(), "model.sqlite"), CLUSTER);
  atEnd(() => database.close());
  const catalog = new Catalog(database);
  for (const command of commands) {
    apply(catalog, unpack<Command>(pack(command)));
    database.meta.applied++;
  }
  return dump(catalog);
}

/** A disk whose files can be made to fail or to wait. */
class TestDisk {
  full = false;
  broken = false;
  free = 1e12;
  gate: Promise<void> | undefined;

  readonly disk: Disk = {
    ...systemDisk,
    open: async (path, mode) => this.wrap(await systemDisk.open(path, mode), path),
    space: async () => ({ total: 1e12, free: this.free }),
  };

  private wrap(file: DiskFile, path: string): DiskFile {
    return {
      read: (into, position) => file.read(into, position),
      write: async (parts, position) => {
        if (this.full && path.endsWith(".log"))
          throw Object.assign(new Error("no space"), { code: "ENOSPC" });
        return file.write(parts, position);
      },
      sync: async () => {
        await this.gate;
        if (this.broken) throw Object.assign(new Error("input/output error"), { code: "EIO" });
        return file.sync();
      },
      truncate: (size) => file.truncate(size),
      size: () => file.size(),
      close: () => file.close(),
    };
  }
}

describe("the store after a crash", () => {
  test("holds exactly what was acknowledged, whenever the crash comes", async () => {
    const random = seededRandom(3);
    const { store, clock, directory } = await open({ segmentSizeMax: 3_000 });
    const acknowledged: Command[] = [];
    const commands = randomCommands(17, 700);
    while (commands.length > 0) {
      const batch = commands.splice(0, 1 + Math.floor(random() * 40));
      const outcomes = await Promise.allSettled(batch.map((command) => submit(store, command)));
      acknowledged.push(...batch.filter((_, i) => outcomes[i]!.status === "fulfilled"));
      if (random() < 0.4) clock.advance(1_000);
      await store.idle();
      const crashed = await open({ directory: await crashedCopy(directory) });
      expect(dump(crashed.store.catalog)).toBe(await expectedDump(acknowledged));
      await crashed.store.close();
    }
    expect(acknowledged.length).toBeGreaterThan(200);
    expect((await readdir(join(directory, "journal"))).length).toBeLessThan(10);
  });

  test("holds a batch wholly or not at all when the crash tears its write", async () => {
    const { store, directory } = await open();
    await submit(store, bucket);
    const journal = join("journal", (await readdir(join(directory, "journal")))[0]!);
    const before = (await readFile(join(directory, journal))).length;
    await Promise.all([submit(store, put("a")), submit(store, put("b"))]);
    const after = (await readFile(join(directory, journal))).length;
    for (let size = before; size <= after; size += 7) {
      const copy = await crashedCopy(directory);
      await truncate(join(copy, journal), size);
      const { store: crashed } = await open({ directory: copy });
      expect(crashed.catalog.database.meta.objects).toBe(size === after ? 2 : 0);
      await crashed.close();
    }
  });

  test("goes on from a clean end without replaying anything", async () => {
    const { store, directory } = await open();
    await submit(store, bucket);
    const before = dump(store.catalog);
    await store.close();
    const again = await open({ directory });
    expect(dump(again.store.catalog)).toBe(before);
    await submit(again.store, put("a"));
    expect(again.store.journalState.sequence).toBe(2);
  });
});

describe("the store's directory", () => {
  async function used(): Promise<string> {
    const { store, directory, clock } = await open();
    await submit(store, bucket);
    await submit(store, put("a"));
    clock.advance(1_000);
    await store.close();
    return directory;
  }

  const refused = async (directory: string, clusterId = CLUSTER): Promise<string> =>
    codeOf(open({ directory, clusterId }));

  test("is refused without its journal, with an empty one, or with a shorter one than the catalog", async () => {
    const directory = await used();
    const journal = join(directory, "journal");
    const [name] = await readdir(journal);
    const bytes = await readFile(join(journal, name!));
    await truncate(join(journal, name!), 64);
    expect(await refused(directory)).toBe("NOT_READY");
    await rm(join(journal, name!));
    expect(await refused(directory)).toBe("NOT_READY");
    await rm(journal, { recursive: true });
    expect(await refused(directory)).toBe("NOT_READY");
    expect(existsSync(journal)).toBe(false);
    await systemDisk.mkdir(journal);
    await writeFile(join(journal, name!), bytes);
    const { store } = await open({ directory });
    expect(store.catalog.database.meta.objects).toBe(1);
  });

  test("is refused without its identity, with a broken one, and by another cluster", async () => {
    const directory = await used();
    expect(await refused(directory, "f".repeat(32))).toBe("NOT_READY");
    const identity = join(directory, "identity.json");
    const text = await readFile(identity);
    await writeFile(identity, "{");
    expect(await refused(directory)).toBe("NOT_READY");
    await writeFile(identity, JSON.stringify({ format: 2, clusterId: CLUSTER }));
    expect(await refused(directory)).toBe("NOT_READY");
    await rm(identity);
    expect(await refused(directory)).toBe("NOT_READY");
    await writeFile(identity, text);
    await open({ directory });
  });

  test("gets its catalog back from a journal that is complete, and is refused otherwise", async () => {
    for (const damage of ["missing", "garbage"]) {
      const directory = await used();
      const catalog = join(directory, "catalog.sqlite");
      if (damage === "missing") await rm(catalog);
      else await writeFile(catalog, Buffer.alloc(8192, 7));
      const { store } = await open({ directory });
      expect(store.catalog.database.meta.objects).toBe(1);
      await store.close();
    }
    const { store, clock, directory } = await open({ segmentSizeMax: 65 });
    for (const command of [bucket, put("a"), put("b"), put("c")]) {
      await submit(store, command);
      clock.advance(1_000);
    }
    await until(
      async () => !existsSync(join(directory, "journal/0000000000000001.log")),
      "a segment was dropped",
    );
    await store.close();
    await rm(join(directory, "catalog.sqlite"));
    expect(await refused(directory)).toBe("NOT_READY");
  });

  test("is made again after a first start that was interrupted at any step", async () => {
    const fresh = await testDirectory();
    await systemDisk.mkdir(join(fresh, "journal"));
    await writeFile(join(fresh, "journal/0000000000000001.log"), Buffer.alloc(30));
    await writeFile(join(fresh, "catalog.sqlite"), "");
    await writeFile(join(fresh, "identity.json.new"), "{");
    const { store } = await open({ directory: fresh });
    await submit(store, bucket);
  });

  test("takes one master at a time", async () => {
    const { store, directory } = await open();
    expect(await refused(directory)).toBe("NOT_READY");
    await submit(store, bucket);
    await store.close();
    await open({ directory });
  });
});

describe("a batch", () => {
  test("has exactly one winner of many conditional writes to one key", async () => {
    const { store } = await open();
    await submit(store, bucket);
    for (let round = 0; round < 5; round++) {
      const key = `key-${round}`;
      const writes = Array.from({ length: 50 }, (_, i) =>
        codeOf(submit(store, { ...put(key, `${i}`), condition: { ifNoneMatch: ["*"] } } as Command)),
      );
      const codes = await Promise.all(writes);
      expect(codes.filter((code) => code === "resolved")).toHaveLength(1);
      expect(codes.filter((code) => code === "PRECONDITION_FAILED")).toHaveLength(49);
    }
  });

  test("is shown to no reader before it is durable, and other keys are read meanwhile", async () => {
    const test = new TestDisk();
    const { store } = await open({}, test.disk);
    await submit(store, bucket);
    await submit(store, put("old", "1"));
    const sync = Promise.withResolvers<void>();
    test.gate = sync.promise;
    const write = submit(store, put("old", "2"));
    const refusedWrite = codeOf(
      submit(store, { ...put("old", "3"), condition: { ifNoneMatch: ["*"] } } as Command),
    );
    await until(() => store.catalog.database.meta.applied === 3, "the batch is applied");
    const seen: string[] = [];
    const id = store.catalog.buckets.id("bucket");
    const etag = ({ objects }: Catalog, key: string): string | undefined => objects.present(id, key)?.etag;
    const reads = [
      store.read(["o/bucket/old"], (catalog) =>
        seen.push(`old ${etag(catalog, "old") === emptyData("2").etag}`),
      ),
      store.read("all", () => seen.push("all")),
    ];
    await store.read(["o/bucket/other"], () => seen.push("other"));
    expect(seen).toEqual(["other"]);
    sync.resolve();
    await write;
    await Promise.all(reads);
    expect(seen).toEqual(["other", "old true", "all"]);
    expect(await refusedWrite).toBe("PRECONDITION_FAILED");
  });

  test("that the disk did not take is undone, and the store takes no more", async () => {
    const test = new TestDisk();
    const { store } = await open({}, test.disk);
    await submit(store, bucket);
    let failure: Error | undefined;
    store.onFailure = (error) => {
      failure = error;
    };
    test.broken = true;
    expect(await codeOf(submit(store, put("a")))).toBe("NOT_READY");
    test.broken = false;
    expect(await codeOf(submit(store, put("b")))).toBe("NOT_READY");
    expect(failure?.message).toBe("input/output error");
    expect(await store.read("all", ({ database }) => database.meta.objects)).toBe(0);
  });
});

describe("a full disk", () => {
  test("refuses what grows the store, and takes deletes and reads", async () => {
    const test = new TestDisk();
    const { store, clock } = await open({}, test.disk);
    await submit(store, bucket);
    await submit(store, put("a"));
    test.free = 1000;
    clock.advance(2_000);
    expect(await codeOf(submit(store, put("b")))).toBe("NO_SPACE");
    await submit(store, { type: "deleteObject", at: 3, bucket: "bucket", key: "a" });
    expect(await store.read("all", ({ database }) => database.meta.objects)).toBe(0);
    test.free = 1e12;
    clock.advance(2_000);
    await submit(store, put("b"));
  });

  test("makes the catalog's own commit wait, and nothing is lost by a crash meanwhile", async () => {
    const test = new TestDisk();
    test.free = 64 << 20;
    const { store, clock, directory } = await open({}, test.disk);
    const passTime = async (): Promise<void> => {
      clock.advance(1_000);
      await store.idle();
    };
    await submit(store, bucket);
    await submit(store, put("a"));
    test.free = 0;
    await passTime();
    expect(store.catalog.database.inTransaction).toBe(true);
    const crashed = await open({ directory: await crashedCopy(directory) }, test.disk);
    expect(crashed.store.catalog.database.meta.objects).toBe(1);
    test.free = 64 << 20;
    await passTime();
    expect(store.catalog.database.inTransaction).toBe(false);
  });

  test("that shows only in the write gives up its reserve for the deletes", async () => {
    const test = new TestDisk();
    const { store, directory } = await open(
      {},
      {
        ...test.disk,
        remove: async (path) => {
          await systemDisk.remove(path);
          if (path.endsWith("reserve")) test.full = false;
        },
      },
    );
    await submit(store, bucket);
    await submit(store, put("a"));
    expect(existsSync(join(directory, "reserve"))).toBe(true);
    test.full = true;
    const remove: Command = { type: "deleteObject", at: 3, bucket: "bucket", key: "a" };
    const outcomes = [codeOf(submit(store, put("b"))), codeOf(submit(store, remove))];
    expect(await Promise.all(outcomes)).toEqual(["NO_SPACE", "resolved"]);
    expect(existsSync(join(directory, "reserve"))).toBe(false);
  });
});
