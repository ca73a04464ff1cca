// Builds the dashboard to static files: index.html and hashed, immutable assets. No inline script or style, so that it
// can be served under `Content-Security-Policy: default-src 'self'`.
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import react from "react-dom/package.json" with { type: "json" };

const SOURCE = import.meta.dir;
/** Holds the hash of the sources that the directory was built from. Not served: the edge serves no dot files. */
const STAMP = ".sources";
const ASSETS = "assets";

/** The dashboard's sources do not build: a bug in this checkout. */
export class DashboardBuildError extends Error {
  override name = "DashboardBuildError";
}

/**
 * Makes `outDir` hold the dashboard: `index.html` for `/` and every path of its own (`/buckets/...`, `/keys`,
 * `/storage`), and `assets/<name>-<hash>.<ext>`, which never change under their name. Returns at once when `outDir`
 * was built from the same sources; else it is replaced as a whole. Throws {@link DashboardBuildError}.
 */
export async function buildDashboard(outDir: string): Promise<void> {
  const target = resolve(outDir);
  const stamp = await hashSources();
  if ((await readText(join(target, STAMP))) === stamp) return;
  await mkdir(dirname(target), { recursive: true });
  const fresh = await mkdtemp(`${target}.building-`);
  try {
    await writePage(fresh);
    await Bun.write(join(fresh, STAMP), stamp);
    await replace(target, fresh);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

async function writePage(directory: string): Promise<void> {
  const assets = join(directory, ASSETS);
  const [main, theme, style, icon] = await Promise.all([
    bundle("app/main.tsx", assets),
    bundle("app/theme-boot.ts", assets),
    bundle("app/styles/all.css", assets),
    copyHashed("icon.svg", assets),
  ]);
  const places: Record<string, string> = { main, theme, style, icon };
  const template = await Bun.file(join(SOURCE, "index.html")).text();
  const page = template.replace(/\{\{(\w+)\}\}/g, (_, name: string) => `/${ASSETS}/${places[name]}`);
  await Bun.write(join(directory, "index.html"), page);
}

/** Bundles one entry into `directory`; returns the file name. */
async function bundle(entry: string, directory: string): Promise<string> {
  const result = await Bun.build({
    entrypoints: [join(SOURCE, entry)],
    outdir: directory,
    naming: "[name]-[hash].[ext]",
    target: "browser",
    // The theme runs as a classic script, before the page is parsed; nothing of it may be global.
    format: entry.endsWith("theme-boot.ts") ? "iife" : "esm",
    minify: true,
    // React's development build is twice the size and slower.
    define: { "process.env.NODE_ENV": '"production"' },
    throw: false,
  });
  const output = result.outputs.find(
    (candidate) => candidate.kind === "entry-point" || candidate.kind === "asset",
  );
  if (!result.success || !output) {
    throw new DashboardBuildError(`${entry} does not build:\n${result.logs.map(String).join("\n")}`);
  }
  return output.path.slice(directory.length + 1);
}

async function copyHashed(name: string, directory: string): Promise<string> {
  const bytes = await Bun.file(join(SOURCE, name)).bytes();
  const hashed = name.replace(".", `-${Bun.hash(bytes).toString(36)}.`);
  await Bun.write(join(directory, hashed), bytes);
  return hashed;
}

async function hashSources(): Promise<string> {
  const hash = createHash("sha256").update(`bun ${Bun.version} react-dom ${react.version}\n`);
  const inApp = await readdir(join(SOURCE, "app"), { recursive: true, withFileTypes: true });
  const paths = inApp
    .filter((entry) => entry.isFile() && !entry.name.includes(".test."))
    .map((entry) => join(entry.parentPath, entry.name));
  paths.push(join(SOURCE, "index.html"), join(SOURCE, "icon.svg"), join(SOURCE, "build.ts"));
  for (const path of paths.sort()) {
    const bytes = await Bun.file(path).bytes();
    hash.update(`${path.slice(SOURCE.length)} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest("hex");
}

/** Swaps `fresh` in for `target`. A server that reads `target` meanwhile misses at most the moment of two renames. */
async function replace(target: string, fresh: string): Promise<void> {
  const old = `${fresh}.old`;
  const hadOld = await rename(target, old).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return false;
      throw error;
    },
  );
  await rename(fresh, target);
  if (hadOld) await rm(old, { recursive: true });
}

async function readText(path: string): Promise<string | undefined> {
  const file = Bun.file(path);
  return (await file.exists()) ? file.text() : undefined;
}
