import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../version.ts";

/** Puts programs into its own directory instead of installing anything. */
const FAKE_APT_GET = `#!/bin/sh
echo "$*" >>"$JOURNAL"
case " $* " in
  *" install "*) for program in chromium rclone ps unshare; do ln -s /bin/true "$PROGRAMS/$program"; done ;;
esac
`;
/** Stands for what was unpacked, too. */
const FAKE_DPKG = `#!/bin/sh
echo "dpkg $*" >>"$JOURNAL"
ln -s /bin/true "$PROGRAMS/nats-server"
`;
const NATS_IS_UNPACKED = existsSync(join(ROOT, "node_modules/.cache/nats-server/usr/sbin/nats-server"));
const onDebianAsRoot =
  process.getuid?.() === 0 &&
  existsSync("/etc/os-release") &&
  /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync("/etc/os-release", "utf8"));

let programs: string;
beforeEach(() => {
  programs = mkdtempSync(join(tmpdir(), "skerry-programs-"));
  for (const name of ["openssl", "curl"]) symlinkSync("/bin/true", join(programs, name));
  for (const name of ["sh", "ln", "rm"]) symlinkSync(`/bin/${name}`, join(programs, name));
});
afterEach(() => rmSync(programs, { recursive: true, force: true }));

/** Runs `skerry test` on no file, with `programs` as all there is. */
async function skerryTest(...flags: string[]): Promise<{ out: string; asked: string[] }> {
  const journal = join(programs, "journal");
  writeFileSync(journal, "");
  const command = [process.execPath, join(ROOT, "cli/skerry.ts"), "test", "--only", "no such file", ...flags];
  const child = Bun.spawn(command, {
    env: { PATH: programs, PROGRAMS: programs, JOURNAL: journal },
    stdout: "pipe",
    stderr: "inherit",
  });
  const out = await new Response(child.stdout).text();
  expect(await child.exited).toBe(1);
  return { out, asked: readFileSync(journal, "utf8").trim().split("\n") };
}

test.skipIf(!onDebianAsRoot)(
  "what is missing is installed, what is there is not, and what stays missing is told",
  async () => {
    writeFileSync(join(programs, "apt-get"), FAKE_APT_GET);
    writeFileSync(join(programs, "dpkg"), FAKE_DPKG);
    for (const name of ["apt-get", "dpkg"]) chmodSync(join(programs, name), 0o755);
    const { out, asked } = await skerryTest();
    expect(asked[0]).toBe("-qq update");
    expect(asked[1]).toMatch(
      /^-qq install -y --no-install-recommends .*chromium s3cmd rclone procps util-linux/,
    );
    expect(asked[1]).not.toMatch(/openssl|curl|nats/);
    const unpacked = ["-qq download nats-server", expect.stringMatching(/^dpkg -x nats-server_.*\.deb \.$/)];
    expect(asked.slice(2)).toEqual(NATS_IS_UNPACKED ? [] : unpacked);
    expect(out).toMatch(/^missing: s3cmd; tests that need them are skipped$/m);
  },
);

test("where nothing may be installed, what is missing is told", async () => {
  const { out, asked } = await skerryTest();
  expect(asked).toEqual([""]);
  expect(out).toMatch(/^missing: chromium, s3cmd, rclone, procps, util-linux/m);
});

test("a run that found no test is no success", async () => {
  expect((await skerryTest("--no-install")).out).toBe("\n0 passed, 0 failed\n");
});
