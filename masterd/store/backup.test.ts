import { afterEach, describe, expect, test } from "bun:test";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Disk, systemDisk } from "../../std/disk.ts";
import { silentLog } from "../../std/log.ts";
import { systemRandom } from "../../std/random.ts";
import { apply } from "../catalog/apply.ts";
import { Catalog } from "../catalog/catalog.ts";
import type { Command, CommandType } from "../catalog/commands.ts";
import { CatalogDatabase } from "../catalog/database.ts";
import { listObjects } from "../catalog/listing.ts";
import { dump } from "../testing/dump.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { randomCommands } from "../testing/random-commands.ts";
import { atEnd, cleanUp, codeOf, testDirectory } from "../testing/test-master.ts";
import { BackupDesk } from "./backup-desk.ts";
import { BACKUP_HEADER_SIZE, type BackupSource, readBackup, writeBackup } from "./backup-file.ts";
import { openStore } from "./open-store.ts";
import { restoreDirectory } from "./restore.ts";
import type { Store } from "./store.ts";

const CLUSTER = "00112233445566778899aabbccddeeff";
afterEach(cleanUp);

const noReserve: Disk = { ...systemDisk, space: async () => ({ total: 1e12, free: 64 << 20 }) };

async function open(
  directory?: string,
  segmentSizeMax?: number,
): Promise<{ store: Store; clock: ManualClock }> {
  const clock = new ManualClock();
  const env = { clock, disk: noReserve, log: silentLog };
  const options = { directory: directory ?? (await testDirectory()), clusterId: CLUSTER, segmentSizeMax };
  const store = await openStore(env, options);
  let isOpen = true;
  const close = store.close.bind(store);
  store.close = async () => {
    if (isOpen) await close();
    isOpen = false;
  };
  atEnd(() => store.close());
  return { store, clock };
}

const submit = (store: Store, command: Command): Promise<unknown> =>
  store.submit<CommandType>(command as never).catch(() => {}); // a refusal is an outcome too

function deskOf(store: Store, clock: ManualClock): BackupDesk {
  return new BackupDesk({ clock, random: systemRandom, log: silentLog }, store, CLUSTER);
}

async function sourceOf(desk: BackupDesk): Promise<BackupSource & { id: string }> {
  const { id, ...info } = await desk.begin();
  return { id, info, read: (offset, length) => desk.read(id, offset, length) };
}

/** The catalog after the first `count` of `commands`, which were all taken. */
async function expectedDump(commands: readonly Command[], count: number): Promise<string> {
  const database = CatalogDatabase.create(join(await testDirectory(), "model.sqlite"), CLUSTER);
  atEnd(() => database.close());
  const catalog = new Catalog(database);
  for (const command of commands.slice(0, count)) {
    apply(catalog, command);
    database.meta.applied++;
  }
  return dumpButMarks(catalog);
}

/** A restore leaves marks of its own, over those that the random commands have left. */
function dumpButMarks(catalog: Catalog): string {
  catalog.database.meta.orphansHeldSince = 0;
  catalog.database.meta.restoredAt = 0;
  return dump(catalog);
}

async function restored(path: string): Promise<{ store: Store; directory: string }> {
  const directory = join(await testDirectory(), "masterd");
  await restoreDirectory({ clock: new ManualClock(), disk: systemDisk, log: silentLog }, path, directory);
  return { store: (await open(directory)).store, directory };
}

describe("a backup", () => {
  test("taken while commands go on is the state at its sequence, and goes on from there when restored", async () => {
    const { store, clock } = await open(undefined, 20_000);
    const taken: Command[] = [];
    store.onDurable = (command) => taken.push(command);
    const commands = randomCommands(23, 2_000);
    for (const command of commands.splice(0, 900)) await submit(store, command);
    const desk = deskOf(store, clock);
    const running = (async () => {
      while (commands.length > 0) {
        await Promise.all(commands.splice(0, 20).map((command) => submit(store, command)));
        clock.advance(600);
      }
    })();
    const source = await sourceOf(desk);
    const path = join(await testDirectory(), "backup");
    // Small pieces, each after some more commands: what changes meanwhile must not show.
    const slow: BackupSource = {
      info: source.info,
      read: async (offset, length) => {
        const command: Command = { type: "createBucket", at: 1, name: `meanwhile-${offset}`, owner: "u" };
        await submit(store, command);
        clock.advance(600);
        return source.read(offset, Math.min(length, 10_000));
      },
    };
    await writeBackup(systemDisk, path, slow);
    await running;
    desk.end(source.id);
    const { sequence } = source.info;
    expect(taken.length).toBeGreaterThan(sequence);

    const { store: again } = await restored(path);
    const { database } = again.catalog;
    expect(database.meta.orphansHeldSince).toBeGreaterThan(0);
    expect(database.meta.restoredAt).toBeGreaterThan(0);
    expect(dumpButMarks(again.catalog)).toBe(await expectedDump(taken, sequence));
    const last = { type: "createBucket", at: 1, name: "after", owner: "u" } as const;
    await submit(again, last);
    expect(again.journalState.sequence).toBe(sequence + 1);
  }, 30_000);

  test("restored lists what was there, and its catalog and journal open again after that", async () => {
    const { store, clock } = await open();
    for (const command of randomCommands(29, 400)) await submit(store, command);
    const names = store.catalog.buckets.list({ max: 100 }).buckets.map(({ name }) => name);
    expect(names.length).toBeGreaterThan(0);
    const lists = (of: Store) =>
      names.map((bucket) => listObjects(of.catalog, { bucket, max: 1000 }).objects);
    const path = join(await testDirectory(), "backup");
    await writeBackup(systemDisk, path, await sourceOf(deskOf(store, clock)));
    const first = await restored(path);
    expect(lists(first.store)).toEqual(lists(store));
    await first.store.close();
    const second = await open(first.directory);
    expect(lists(second.store)).toEqual(lists(store));
  });

  test("that was changed or cut anywhere is refused", async () => {
    const { store, clock } = await open();
    for (const command of randomCommands(31, 100)) await submit(store, command);
    const directory = await testDirectory();
    const path = join(directory, "backup");
    await writeBackup(systemDisk, path, await sourceOf(deskOf(store, clock)));
    const whole = await readFile(path);
    await readBackup(systemDisk, path, undefined);
    const last = whole.length - 1;
    const at = [0, 5, 9, 20, 60, 125, BACKUP_HEADER_SIZE, BACKUP_HEADER_SIZE + 5000, last - 32, last];
    for (const offset of at) {
      const changed = Buffer.from(whole);
      changed[offset]! ^= 0x10;
      await writeFile(path, changed);
      expect([offset, await codeOf(readBackup(systemDisk, path, undefined))]).toEqual([offset, "BAD_BACKUP"]);
    }
    for (const size of [0, 100, BACKUP_HEADER_SIZE, 5_000, last]) {
      await writeFile(path, whole.subarray(0, size));
      expect([size, await codeOf(readBackup(systemDisk, path, undefined))]).toEqual([size, "BAD_BACKUP"]);
    }
    await writeFile(path, Buffer.concat([whole, Buffer.of(0)]));
    expect(await codeOf(readBackup(systemDisk, path, undefined))).toBe("BAD_BACKUP");
  });

  test("is one at a time, and is given up when nobody reads on", async () => {
    const { store, clock } = await open();
    const desk = deskOf(store, clock);
    const { id } = await desk.begin();
    expect(await codeOf(desk.begin())).toBe("NOT_READY");
    clock.advance(59_000);
    expect((await desk.read(id, 0, 100)).length).toBe(100);
    clock.advance(59_000);
    await desk.read(id, 0, 100);
    clock.advance(61_000);
    expect(await codeOf(desk.read(id, 0, 100))).toBe("NOT_READY");
    const next = await desk.begin();
    desk.end(next.id);
    expect(await codeOf(desk.read(next.id, 0, 1))).toBe("NOT_READY");
  });

  test("keeps the journal until it is read, and lets a master stop meanwhile", async () => {
    const { store, clock } = await open(undefined, 2_000);
    const desk = deskOf(store, clock);
    const { id } = await desk.begin();
    for (const command of randomCommands(37, 500)) {
      await submit(store, command);
      clock.advance(600);
      await desk.read(id, 0, 1);
    }
    const held = store.journalState.bytes;
    desk.end(id);
    await store.idle();
    await submit(store, { type: "createBucket", at: 1, name: "one-more", owner: "u" });
    clock.advance(600);
    await store.idle();
    expect(store.journalState.bytes).toBeLessThan(held / 4);
    await desk.begin();
    await store.close();
  });
});
