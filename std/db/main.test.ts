import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UsageError } from "../config.ts";
import { main } from "./main.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "skerry-role-"));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function startRole(supervised: boolean) {
  const code = `
    import { main } from ${JSON.stringify(join(import.meta.dir, "main.ts"))};
    await main(["--dir", ${JSON.stringify(directory)}], process.env);`;
  const child = Bun.spawn([process.execPath, "-e", code], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
    env: { ...process.env, SKERRY_SUPERVISED: supervised ? "1" : "0" },
  });
  const { value } = await child.stdout.getReader().read();
  const ready = JSON.parse(new TextDecoder().decode(value)) as { event: string; url: string; pid: number };
  expect(ready.event).toBe("ready");
  return { child, ready };
}

test("SIGTERM stops the server and the role ends with 0", async () => {
  const { child, ready } = await startRole(false);
  expect(ready.url).toStartWith("postgres://postgres:");
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  expect(() => process.kill(ready.pid, 0)).toThrow("ESRCH");
});

test("the end of stdin stops a supervised role", async () => {
  const { child } = await startRole(true);
  await child.stdin.end();
  expect(await child.exited).toBe(0);
});

test("kill -9 of the server ends the role with 1, and the next one serves again", async () => {
  const { child, ready } = await startRole(true);
  process.kill(ready.pid, "SIGKILL");
  expect(await child.exited).toBe(1);
  const next = await startRole(true);
  expect(next.ready.url).toBe(ready.url);
  next.child.kill("SIGTERM");
  expect(await next.child.exited).toBe(0);
});

test("a missing --dir is a usage error", async () => {
  await expect(main([], {})).rejects.toBeInstanceOf(UsageError);
});
