import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COMMANDS } from "./commands.ts";
import { runCaptured } from "./testing/run-captured.ts";

const run = (...argv: string[]) => runCaptured(argv);

test("a word that is no command exits with 2 and says what was probably meant", async () => {
  for (const [word, meant] of [
    ["statsu", "status"],
    ["stauts", "status"],
    ["us", "user"],
    ["pu", "up"],
  ]) {
    const { code, err } = await run(word!);
    expect([code, err]).toEqual([2, expect.stringContaining(`did you mean "${meant}"?`)]);
  }
  expect((await run("frobnicate")).err).not.toContain("did you mean");
});

test("names that objects inherit are no commands", async () => {
  for (const word of ["constructor", "toString", "__proto__"]) expect((await run(word)).code).toBe(2);
  expect((await run("key", "constructor")).code).toBe(2);
});

test("no command at all exits with 2 and lists them", async () => {
  const { code, err } = await run();
  expect(code).toBe(2);
  for (const name of Object.keys(COMMANDS)) expect(err).toContain(`  ${name} `);
});

test("every command tells its flags when asked", async () => {
  for (const name of Object.keys(COMMANDS)) {
    const { code, out, err } = await run(name, "--help");
    expect([name, code, err]).toEqual([name, 0, ""]);
    expect(out).toContain(`Usage: skerry ${name}`);
  }
});

test("the version is that of package.json", async () => {
  expect((await run("--version")).out).toMatch(/^skerry \d+\.\d+\.\d+\n$/);
});

test("each subcommand tells its flags when asked, and a wrong one is answered with the right ones", async () => {
  expect((await run("key", "import", "--help")).out).toContain("--secret-key SECRET");
  const { code, err } = await run("key", "improt");
  expect([code, err]).toEqual([2, expect.stringContaining('did you mean "import"?')]);
});

test("every wrong flag is told at once", async () => {
  const { code, err } = await run("up", "--https-port", "x", "--s3-port", "70000", "--domain", "a b");
  expect(code).toBe(2);
  for (const flag of ["--https-port x", "--s3-port 70000", "--domain a b"]) expect(err).toContain(flag);
});

test("missing and surplus words are wrong usage", async () => {
  expect(await run("user", "add")).toMatchObject({
    code: 2,
    err: expect.stringContaining("the user's name is missing"),
  });
  expect(await run("user", "add", "a", "b")).toMatchObject({
    code: 2,
    err: expect.stringContaining('"b" is one word too many'),
  });
  expect(await run("up", "now")).toMatchObject({
    code: 2,
    err: expect.stringContaining('"now" is no flag of up'),
  });
});

test("what needs a running cloud says how to start one", async () => {
  const directory = mkdtempSync(join(tmpdir(), "skerry-none-"));
  for (const argv of [["status"], ["stop"], ["key", "list"], ["user", "add", "mia"]]) {
    const { code, err } = await run(...argv, "--data", directory);
    expect([argv, code, err]).toEqual([argv, 1, expect.stringContaining("not running")]);
  }
  rmSync(directory, { recursive: true });
});
