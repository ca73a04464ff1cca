import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative, sep } from "node:path";

export interface Import {
  /** Path of the imported file, relative to the root, as it is written: with its extension. */
  target: string;
  /** Nothing of it is left at run time. */
  typeOnly: boolean;
}

export interface SourceFile {
  /** Relative to the root, with forward slashes. */
  path: string;
  text: string;
  /** Of files of the tree; packages are left out. */
  imports: Import[];
}

const SKIPPED_DIRECTORIES = new Set(["node_modules", ".git", "dist", "data"]);
const SOURCE = /\.tsx?$/;
/** A statement begins its line (the formatter sees to that), so that code quoted in a string is none. */
const STATEMENT = /^(?:import|export)\s+(type\s)?([^"';]*?)\s*from\s*"([^"]+)"/gm;
const BARE = /^import\s+"([^"]+)"/gm;
const DYNAMIC = /\bimport\(\s*"([^"]+)"\s*\)/g;

/** All TypeScript files below `root`, in order of their paths. */
export function readSourceTree(root: string): SourceFile[] {
  const files: SourceFile[] = [];
  const walk = (directory: string): void => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) {
        if (!SKIPPED_DIRECTORIES.has(entry.name)) walk(path);
      } else if (SOURCE.test(entry.name)) files.push(readSource(root, path));
    }
  };
  walk(root);
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function readSource(root: string, path: string): SourceFile {
  const text = readFileSync(path, "utf8");
  const own = relative(root, path).replaceAll(sep, "/");
  return { path: own, text, imports: importsOf(own, text) };
}

function importsOf(path: string, text: string): Import[] {
  const found: { specifier: string; typeOnly: boolean }[] = [
    ...[...text.matchAll(STATEMENT)].map((match) => ({
      specifier: match[3]!,
      typeOnly: match[1] !== undefined || namesTypesOnly(match[2]!),
    })),
    ...[...text.matchAll(BARE), ...text.matchAll(DYNAMIC)].map((match) => ({
      specifier: match[1]!,
      typeOnly: false,
    })),
  ];
  return found
    .filter(({ specifier }) => specifier.startsWith("."))
    .map(({ specifier, typeOnly }) => ({
      target: normalize(join(dirname(path), specifier)).replaceAll(sep, "/"),
      typeOnly,
    }));
}

/** `{ type A, type B }`. */
function namesTypesOnly(names: string): boolean {
  const list = /^\{([^}]*)\}$/.exec(names.trim())?.[1];
  if (list === undefined) return false;
  return list
    .split(",")
    .filter((name) => name.trim() !== "")
    .every((name) => /^\s*type\s/.test(name));
}
