// The simulated disk as programs see it, the same way the real one is seen, and its faults.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Disk, systemDisk } from "../../std/disk.ts";
import type { SimNode } from "./node.ts";
import { World } from "./world.ts";

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "resolved",
    (error: { code?: string }) => error.code ?? String(error),
  );

interface Bench {
  disk: Disk;
  directory: string;
  run<T>(promise: Promise<T>): Promise<T>;
}

async function simulated(seed = 1): Promise<Bench & { world: World; node: SimNode }> {
  const world = new World(seed);
  const node = world.node("n");
  const { disk } = await world.run(
    node.start(async (env) => env),
    100,
  );
  return { world, node, disk, directory: "/data", run: (promise) => world.run(promise, 60_000) };
}

const directories: string[] = [];
afterAll(() => Promise.all(directories.map((path) => rm(path, { recursive: true, force: true }))));

async function real(): Promise<Bench> {
  const directory = await mkdtemp(join(tmpdir(), "skerry-disk-"));
  directories.push(directory);
  return { disk: systemDisk, directory, run: (promise) => promise };
}

for (const [name, make] of [
  ["real", real],
  ["simulated", simulated],
] as const) {
  describe(`the ${name} disk`, () => {
    test("reads what was written, short at the end, and zeros where nothing was", async () => {
      const { disk, directory, run } = await make();
      const found = await run(
        (async () => {
          const file = await disk.open(`${directory}/a`, "create");
          await file.write([Buffer.from("abc"), Buffer.alloc(0), Buffer.from("def")], 10);
          await file.sync();
          const into = Buffer.alloc(20, 0xff);
          const count = await file.read(into, 8);
          const sizes = [await file.size()];
          await file.truncate(12);
          sizes.push(await file.size());
          await file.truncate(14);
          const rest = Buffer.alloc(4);
          await file.read(rest, 10);
          await file.close();
          return {
            count,
            bytes: into.subarray(0, count).toString("latin1"),
            sizes,
            rest: rest.toString("latin1"),
          };
        })(),
      );
      expect(found).toEqual({ count: 8, bytes: "\0\0abcdef", sizes: [16, 12], rest: "ab\0\0" });
    });

    test("tells what is there and what is not", async () => {
      const { disk, directory, run } = await make();
      await run(disk.mkdir(`${directory}/x/y`));
      const file = await run(disk.open(`${directory}/x/a`, "create"));
      await run(file.write([Buffer.from("one")], 0));
      expect(await run(codeOf(disk.open(`${directory}/x/a`, "create")))).toBe("EEXIST");
      expect(await run(codeOf(disk.open(`${directory}/x/b`, "read")))).toBe("ENOENT");
      expect(await run(codeOf(disk.readFile(`${directory}/gone/b`)))).toBe("ENOENT");
      expect(await run(codeOf(disk.list(`${directory}/gone`)))).toBe("ENOENT");
      expect(await run(codeOf(disk.remove(`${directory}/x/b`)))).toBe("ENOENT");
      expect(await run(codeOf(disk.rename(`${directory}/x/b`, `${directory}/x/c`)))).toBe("ENOENT");
      expect(await run(codeOf(disk.syncDirectory(`${directory}/gone`)))).toBe("ENOENT");
      expect((await run(disk.list(`${directory}/x`))).sort()).toEqual(["a", "y"]);
      await run(disk.rename(`${directory}/x/a`, `${directory}/x/b`));
      expect((await run(disk.readFile(`${directory}/x/b`))).toString()).toBe("one");
      await run(disk.remove(`${directory}/x/b`));
      // An open file outlives its name.
      const bytes = Buffer.alloc(3);
      expect(await run(file.read(bytes, 0))).toBe(3);
      expect(bytes.toString()).toBe("one");
      await run(file.close());
      expect(await run(disk.list(`${directory}/x`))).toEqual(["y"]);
      const { total, free } = await run(disk.space(directory));
      expect(total).toBeGreaterThanOrEqual(free);
      expect(free).toBeGreaterThan(0);
    });

    test("gives a lock to one at a time", async () => {
      const { disk, directory, run } = await make();
      const lock = await run(disk.lock(`${directory}/lock`));
      expect(await run(codeOf(disk.lock(`${directory}/lock`)))).toBe("EWOULDBLOCK");
      await run(lock.release());
      await run((await run(disk.lock(`${directory}/lock`))).release());
    });
  });
}

describe("a simulated disk's faults", () => {
  test("a planned error hits one operation on a path that matches; of a failed write a part may be there", async () => {
    const { disk, node, run } = await simulated();
    const file = await run(disk.open("/data/a", "create"));
    node.disk.faults.next("write", /a$/, { error: "EIO" });
    node.disk.faults.next("sync", /b$/, { error: "EIO" });
    expect(await run(codeOf(file.write([Buffer.alloc(100)], 0)))).toBe("EIO");
    expect(await run(file.size())).toBeLessThanOrEqual(100);
    expect(await run(codeOf(file.write([Buffer.alloc(100)], 0)))).toBe("resolved");
    expect(await run(codeOf(file.sync()))).toBe("resolved");
  });

  test("error chances hit some operations and not others", async () => {
    const { disk, node, run } = await simulated();
    const file = await run(disk.open("/data/a", "create"));
    await run(file.write([Buffer.alloc(100)], 0));
    node.disk.faults.errorChance.read = 0.5;
    const codes: string[] = [];
    for (let i = 0; i < 40; i++) codes.push(await run(codeOf(file.read(Buffer.alloc(10), 0))));
    expect(new Set(codes)).toEqual(new Set(["EIO", "resolved"]));
    node.disk.faults.clear();
    expect(await run(codeOf(file.read(Buffer.alloc(10), 0)))).toBe("resolved");
  });

  test("a full disk takes no more, overwrites excepted, and has room again after a removal", async () => {
    const { disk, node, run } = await simulated();
    node.disk.capacityBytes = 1000;
    const file = await run(disk.open("/data/a", "create"));
    await run(file.write([Buffer.alloc(900)], 0));
    expect(await run(codeOf(file.write([Buffer.alloc(200)], 900)))).toBe("ENOSPC");
    expect(await run(codeOf(file.write([Buffer.alloc(900)], 0)))).toBe("resolved");
    const { free } = await run(disk.space("/data"));
    expect(free).toBeLessThanOrEqual(100);
    await run(disk.remove("/data/a"));
    expect((await run(disk.space("/data"))).free).toBe(1000);
  });

  test("a flipped bit, a lost write, a misdirected one and a broken sector show to readers", async () => {
    const { disk, node, run } = await simulated();
    const file = await run(disk.open("/data/a", "create"));
    await run(file.write([Buffer.alloc(4096, 1)], 0));
    await run(file.sync());
    const at = node.disk.flipBit("/data/a");
    expect(node.disk.contentOf("/data/a").findIndex((byte) => byte !== 1)).toBe(at);
    node.disk.faults.next("write", /a$/, "lose");
    await run(file.write([Buffer.alloc(512, 2)], 1024));
    expect(node.disk.contentOf("/data/a").includes(2)).toBe(false);
    node.disk.faults.next("write", /a$/, "misdirect");
    await run(file.write([Buffer.alloc(512, 3)], 4096));
    const misdirected = node.disk.contentOf("/data/a");
    expect(misdirected.length).toBeGreaterThanOrEqual(4608);
    expect(misdirected.subarray(4096, 4608).equals(Buffer.alloc(512, 3))).toBe(false);
    expect(misdirected.subarray(0, 4096).includes(3)).toBe(true);
    node.disk.breakSector("/data/a", 2050);
    expect(await run(codeOf(file.read(Buffer.alloc(10), 2040)))).toBe("EIO");
    expect(await run(codeOf(file.read(Buffer.alloc(10), 1000)))).toBe("resolved");
    await run(file.write([Buffer.alloc(512)], 2048));
    expect(await run(codeOf(file.read(Buffer.alloc(10), 2040)))).toBe("resolved");
  });

  test("a slow disk takes its time", async () => {
    const { disk, node, world, run } = await simulated();
    const file = await run(disk.open("/data/a", "create"));
    const took = async (): Promise<number> => {
      const since = world.time;
      for (let i = 0; i < 20; i++) await run(file.sync());
      return world.time - since;
    };
    const normal = await took();
    node.disk.faults.slowness = 100;
    expect(await took()).toBeGreaterThan(20 * normal);
  });
});

describe("a program that dies", () => {
  test("leaves what it wrote in the page cache, and what was under way done or not, but gets no answer", async () => {
    const outcomes = new Set<number>();
    for (let seed = 0; seed < 30; seed++) {
      const { disk, node, world, run } = await simulated(seed);
      const file = await run(disk.open("/data/a", "create"));
      await run(file.write([Buffer.alloc(100)], 0));
      let answered = false;
      void file.write([Buffer.alloc(100)], 100).then(() => {
        answered = true;
      });
      node.crash();
      await world.pass(1000);
      expect(answered).toBe(false);
      outcomes.add(node.disk.contentOf("/data/a").length);
    }
    expect(outcomes).toContain(100);
    expect(outcomes).toContain(200);
    expect(outcomes.size).toBeGreaterThan(2);
  });

  test("gives its locks up, and its disk is no use to what is left of it", async () => {
    const { disk, node, world, run } = await simulated();
    await run(disk.lock("/data/lock"));
    node.crash();
    let acted = false;
    const act = (): void => {
      acted = true;
    };
    disk.mkdir("/data/late").then(act, act);
    const { disk: next } = await world.run(
      node.start(async (env) => env),
      100,
    );
    await run(next.lock("/data/lock"));
    await world.pass(1000);
    expect(acted).toBe(false);
    expect(await run(next.list("/data"))).toEqual(["lock"]);
  });
});
