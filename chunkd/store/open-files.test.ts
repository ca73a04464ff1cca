import { expect, test } from "bun:test";
import type { Disk, DiskFile } from "../../std/disk.ts";
import { FaultyDisk } from "../testing/faulty-disk.ts";
import { OpenFiles } from "./open-files.ts";

/** A disk that only opens and closes, and remembers which. */
class OpeningDisk extends FaultyDisk implements Disk {
  readonly opened: string[] = [];
  readonly closed: string[] = [];

  override async open(path: string): Promise<DiskFile> {
    if (path === "missing") throw Object.assign(new Error("no such file"), { code: "ENOENT" });
    this.opened.push(path);
    const close = async (): Promise<void> => {
      this.closed.push(path);
    };
    return { close } as DiskFile;
  }
}

const nothing = async (): Promise<void> => {};

test("a file in use again is not opened again", async () => {
  const disk = new OpeningDisk();
  const files = new OpenFiles(disk, 2);
  await files.use("a", "read", nothing);
  await files.use("a", "read", nothing);
  expect(disk.opened).toEqual(["a"]);
  expect(disk.closed).toEqual([]);
});

test("past the limit the file that was used longest ago is closed", async () => {
  const disk = new OpeningDisk();
  const files = new OpenFiles(disk, 2);
  for (const path of ["a", "b", "a", "c"]) await files.use(path, "read", nothing);
  expect(disk.closed).toEqual(["b"]);
});

test("a file in use is not closed under its user, even when it is forgotten", async () => {
  const disk = new OpeningDisk();
  const files = new OpenFiles(disk, 1);
  const using = Promise.withResolvers<void>();
  const user = files.use("a", "read", () => using.promise);
  await files.use("b", "read", nothing);
  await files.forget("a");
  expect(disk.closed).not.toContain("a");
  using.resolve();
  await user;
  expect(disk.closed).toContain("a");
  await files.use("a", "read", nothing);
  expect(disk.opened).toEqual(["a", "b", "a"]);
});

test("a file that could not be opened is tried again the next time", async () => {
  const files = new OpenFiles(new OpeningDisk(), 2);
  for (let attempt = 0; attempt < 2; attempt++) {
    await expect(files.use("missing", "read", nothing)).rejects.toMatchObject({ code: "ENOENT" });
  }
});
