import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RotatingFile } from "./rotating-file.ts";

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "skerry-log-"));
  path = join(directory, "skerry.log");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test("a full file is set aside, and only so many are kept", () => {
  const file = new RotatingFile(path, { sizeMax: 10, kept: 2 });
  for (const line of ["first.....\n", "second....\n", "third.....\n", "fourth....\n"]) {
    file.write(line);
    file.flush();
  }
  file.close();
  expect(readFileSync(path, "utf8")).toBe("fourth....\n");
  expect(readFileSync(`${path}.1`, "utf8")).toBe("third.....\n");
  expect(readFileSync(`${path}.2`, "utf8")).toBe("second....\n");
  expect(readdirSync(directory)).toHaveLength(3);
});

test("a later start goes on in the same file, which only its owner can read", () => {
  for (const line of ["one\n", "two\n"]) {
    const file = new RotatingFile(path);
    file.write(line);
    file.close();
  }
  expect(readFileSync(path, "utf8")).toBe("one\ntwo\n");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(existsSync(`${path}.1`)).toBe(false);
});
