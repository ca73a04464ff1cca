// What the tests use beside Bun and npm packages, and where Debian and Ubuntu have it.
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Environment, Output } from "../command.ts";
import { ROOT } from "../version.ts";
import { runChild } from "./child.ts";

interface Need {
  /** The package of Debian and Ubuntu. */
  package: string;
  isThere(): boolean;
  /** Only unpacked, into this directory: installing it would start a service. */
  unpackedTo?: string;
}

/** Where std/bus/testing/nats-server.ts looks too. */
const NATS_DIRECTORY = join(ROOT, "node_modules/.cache/nats-server");

const program = (name: string, ...also: string[]): Need => ({
  package: name,
  isThere: () => [name, ...also].some((candidate) => Bun.which(candidate) !== null),
});

const NEEDS: Need[] = [
  program("chromium", "chromium-browser", "google-chrome"),
  program("s3cmd"),
  program("rclone"),
  program("openssl"),
  program("curl"),
  { package: "procps", isThere: () => Bun.which("ps") !== null },
  { package: "util-linux", isThere: () => Bun.which("unshare") !== null },
  {
    package: "nats-server",
    unpackedTo: NATS_DIRECTORY,
    isThere: () =>
      Bun.which("nats-server") !== null || existsSync(join(NATS_DIRECTORY, "usr/sbin/nats-server")),
  },
  { package: "ca-certificates", isThere: () => existsSync("/etc/ssl/certs/ca-certificates.crt") },
  { package: "fonts-dejavu-core", isThere: () => existsSync("/usr/share/fonts/truetype/dejavu") },
];

const INSTALL_MS_MAX = 600_000;

function missing(): Need[] {
  return NEEDS.filter((need) => !need.isThere());
}

function namesOf(needs: readonly Need[]): string {
  return needs.map((need) => need.package).join(", ");
}

/** Installs what is missing where this user can; says what is missing else, and that its tests are skipped. */
export async function installNeeds(environment: Environment, output: Output): Promise<void> {
  const wanted = missing();
  if (wanted.length === 0) return;
  if (canInstall()) {
    output.out(`installing ${namesOf(wanted)} ...\n`);
    await install(wanted, environment, output);
  }
  const left = missing();
  if (left.length > 0) output.out(`missing: ${namesOf(left)}; tests that need them are skipped\n`);
}

function canInstall(): boolean {
  return process.getuid?.() === 0 && Bun.which("apt-get") !== null && isDebian();
}

function isDebian(): boolean {
  try {
    return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync("/etc/os-release", "utf8"));
  } catch {
    return false;
  }
}

async function install(wanted: readonly Need[], environment: Environment, output: Output): Promise<void> {
  const quiet = { ...environment, DEBIAN_FRONTEND: "noninteractive" };
  const run = async (what: string, command: string[]): Promise<void> => {
    const { exitCode, text } = await runChild(command, quiet, INSTALL_MS_MAX);
    if (exitCode !== 0) output.out(`${what} failed:\n${text.trim()}\n`);
  };
  const flags = ["-y", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=120"];
  await run("apt-get update", ["apt-get", "-qq", "update"]);
  const installed = wanted.filter((need) => need.unpackedTo === undefined).map((need) => need.package);
  if (installed.length > 0)
    await run("apt-get install", ["apt-get", "-qq", "install", ...flags, ...installed]);
  for (const { package: name, unpackedTo } of wanted) {
    if (unpackedTo === undefined) continue;
    await rm(unpackedTo, { recursive: true, force: true });
    await mkdir(unpackedTo, { recursive: true });
    const script = 'cd "$1" && apt-get -qq download "$2" && dpkg -x "$2"_*.deb . && rm -f "$2"_*.deb';
    await run(`unpacking ${name}`, ["sh", "-c", script, "sh", unpackedTo, name]);
  }
}
