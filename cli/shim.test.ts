// The shell script in the root, with a pretended npm and Bun in place of the real ones: no network.
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./version.ts";

/** What npm puts there: a "Bun" that notes what it is asked for, and prints the words of the command. */
const FAKE_BUN = `#!/bin/sh
echo "bun $1" >>"$JOURNAL"
case $1 in
  install) exit "\${INSTALL_EXIT:-0}" ;;
  *) while [ "\${1#--}" != "$1" ]; do shift; done; shift; echo "cli $*" ;;
esac
`;
const FAKE_NPM = `#!/bin/sh
echo "npm $1" >>"$JOURNAL"
[ -z "$NPM_FAILS" ] || exit 1
for word in "$@"; do package=\${word%@*}; done
mkdir -p "node_modules/$package/bin"
printf '{\\n  "version": "1.4.5"\\n}\\n' >"node_modules/$package/package.json"
cp "$FAKE_BUN" "node_modules/$package/bin/bun"
`;

let scratch: string;
let root: string;
let programs: string;
let journal: string;

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), "skerry-shim-"));
  root = join(scratch, "a place");
  programs = join(scratch, "programs");
  journal = join(scratch, "journal");
  mkdirSync(root);
  mkdirSync(programs);
  copyFileSync(join(ROOT, "skerry"), join(root, "skerry"));
  writeFileSync(join(root, "package.json"), '{\n  "dependencies": {\n    "bun": "1.4.5"\n  }\n}\n');
  writeFileSync(join(root, "bun.lock"), "lock 1\n");
  writeFileSync(journal, "");
  writeProgram(join(scratch, "fake-bun"), FAKE_BUN);
  writeProgram(join(programs, "npm"), FAKE_NPM);
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

function writeProgram(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

interface Run {
  code: number;
  out: string;
  err: string;
}

async function run(path = join(root, "skerry"), more: Record<string, string> = {}): Promise<Run> {
  const child = Bun.spawn([path, "status", "--json"], {
    cwd: scratch,
    env: {
      PATH: `${programs}:/usr/bin:/bin`,
      JOURNAL: journal,
      FAKE_BUN: join(scratch, "fake-bun"),
      ...more,
    },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, out, err };
}

function calls(): string[] {
  return readFileSync(journal, "utf8").trim().split("\n");
}

test("is POSIX sh", () => {
  for (const shell of ["sh", "dash"].filter((name) => Bun.which(name))) {
    expect(Bun.spawnSync([shell, "-n", join(ROOT, "skerry")]).exitCode).toBe(0);
  }
});

test("a first run fetches Bun, installs the packages, and starts the command", async () => {
  const { code, out, err } = await run();
  expect([code, out]).toEqual([0, "cli status --json\n"]);
  expect(calls()).toEqual(["npm install", "bun install", "bun --no-install"]);
  expect(err).toContain("fetching Bun 1.4.5");
});

test("a later run installs nothing and says nothing", async () => {
  await run();
  writeFileSync(journal, "");
  expect(await run()).toEqual({ code: 0, out: "cli status --json\n", err: "" });
  expect(calls()).toEqual(["bun --no-install"]);
});

test("it works through links, from any directory", async () => {
  symlinkSync(join(root, "skerry"), join(scratch, "link"));
  symlinkSync("link", join(scratch, "link to link"));
  expect((await run(join(scratch, "link to link"))).out).toBe("cli status --json\n");
});

test("packages are installed again when the lock file has changed", async () => {
  await run();
  writeFileSync(join(root, "bun.lock"), "lock 2\n");
  writeFileSync(journal, "");
  await run();
  expect(calls()).toEqual(["bun install", "bun --no-install"]);
});

test("another release of Bun is fetched when package.json names one", async () => {
  await run();
  writeFileSync(join(root, "package.json"), '{\n  "dependencies": {\n    "bun": "9.9.9"\n  }\n}\n');
  const { code, err } = await run();
  expect(code).toBe(1);
  expect(err).toContain("fetching Bun 9.9.9");
});

test("first runs at the same time install once", async () => {
  const runs = await Promise.all([run(), run(), run(), run()]);
  expect(runs.map(({ code, out }) => [code, out])).toEqual(Array(4).fill([0, "cli status --json\n"]));
  expect(calls().filter((call) => call.endsWith(" install"))).toEqual(["npm install", "bun install"]);
  expect(existsSync(join(root, "node_modules/.skerry-install"))).toBe(false);
});

test("the lock of a run that was killed is taken over", async () => {
  const gone = Bun.spawn(["true"]);
  await gone.exited;
  mkdirSync(join(root, "node_modules"));
  symlinkSync(String(gone.pid), join(root, "node_modules/.skerry-install"));
  const runs = await Promise.all([run(), run()]);
  expect(runs.map(({ code }) => code)).toEqual([0, 0]);
});

test("the lock of a run that installs is waited for", async () => {
  const holder = Bun.spawn(["sleep", "1000"]);
  const lock = join(root, "node_modules/.skerry-install");
  mkdirSync(join(root, "node_modules"));
  symlinkSync(String(holder.pid), lock);
  const waiting = run();
  holder.kill("SIGKILL");
  await holder.exited;
  expect((await waiting).code).toBe(0);
  expect(() => readlinkSync(lock)).toThrow(/ENOENT/);
});

test("without npm it says what to install", async () => {
  rmSync(join(programs, "npm"));
  const bin = join(scratch, "bin");
  mkdirSync(bin);
  for (const name of ["sed", "ls", "cat", "cmp", "mkdir", "ln", "rm", "uname", "cp", "mv"]) {
    symlinkSync(Bun.which(name)!, join(bin, name));
  }
  const { code, err } = await run(undefined, { PATH: bin });
  expect(code).toBe(1);
  expect(err).toContain("npm is needed once, to fetch Bun 1.4.5");
});

test("a failure of npm or of the installation is told, and the next run tries again", async () => {
  expect((await run(undefined, { NPM_FAILS: "1" })).err).toContain("npm could not fetch Bun");
  const failed = await run(undefined, { INSTALL_EXIT: "1" });
  expect([failed.code, failed.out]).toEqual([1, ""]);
  expect(failed.err).toContain("the packages could not be installed");
  expect((await run()).code).toBe(0);
});
