// The rules of the tree, as a function from its files to what breaks them.
import type { Import, SourceFile } from "./source-tree.ts";

export interface Rules {
  /** By folder: what its files may import beside themselves; the longest matching folder decides. */
  arrows: Record<string, readonly string[]>;
  /** Folders that may import these others for their types alone. */
  typesOnly: Record<string, readonly string[]>;
  /** What tests, and files for tests, may import besides. */
  arrowsOfTests: readonly string[];
  /** Files that are started and need not be imported. */
  entries: readonly RegExp[];
  /** Files for tests: they may be reached from tests alone. */
  forTests: readonly RegExp[];
  /** What may not be in a file, what to do instead, and in which files; in all where that is not told. */
  banned: readonly { pattern: RegExp; instead: string; where?: RegExp }[];
  /** Lines of a file that is no test. A longer one holds more than one idea. */
  linesMax: number;
}

const TEST = /\.test\.tsx?$/;

/** What in `files` breaks `rules`: a sentence each, beginning with a path. */
export function findViolations(files: readonly SourceFile[], rules: Rules): string[] {
  return [
    ...files.flatMap((file) => forbiddenImports(file, files, rules)),
    ...findCycles(files),
    ...findOrphans(files, rules),
    ...files.flatMap((file) => bannedWords(file, rules)),
    ...files.flatMap((file) => tooLong(file, rules)),
  ];
}

function forbiddenImports(file: SourceFile, files: readonly SourceFile[], rules: Rules): string[] {
  const known = new Set(files.map(({ path }) => path));
  return file.imports.flatMap((imported) => {
    if (/\.tsx?$/.test(imported.target) && !known.has(imported.target)) {
      return [`${file.path} imports ${imported.target}, which is not there`];
    }
    const allowed = mayImport(file.path, imported, rules) || testMayImport(file.path, imported, rules);
    return allowed ? [] : [`${file.path} may not import ${imported.target}`];
  });
}

function mayImport(path: string, { target, typeOnly }: Import, rules: Rules): boolean {
  const folder = longestPrefix(path, Object.keys(rules.arrows));
  if (folder === undefined) return true;
  const isBelow = (prefix: string): boolean => target.startsWith(prefix);
  if (typeOnly && (rules.typesOnly[folder] ?? []).some(isBelow)) return true;
  return isBelow(folder) || rules.arrows[folder]!.some(isBelow);
}

function testMayImport(path: string, { target }: Import, rules: Rules): boolean {
  const isTest = TEST.test(path) || rules.forTests.some((pattern) => pattern.test(path));
  return isTest && rules.arrowsOfTests.some((prefix) => target.startsWith(prefix));
}

function longestPrefix(path: string, prefixes: readonly string[]): string | undefined {
  return prefixes.filter((prefix) => path.startsWith(prefix)).sort((a, b) => b.length - a.length)[0];
}

/** One violation a knot of files that reach each other, naming one way around it. */
function findCycles(files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const done = new Set<string>();
  const trail: string[] = [];
  const cycles: string[] = [];
  const visit = (path: string): void => {
    const at = trail.indexOf(path);
    if (at >= 0) {
      cycles.push(`${[...trail.slice(at), path].join(" -> ")} is a cycle`);
      return;
    }
    const file = byPath.get(path);
    if (!file || done.has(path)) return;
    trail.push(path);
    for (const { target } of file.imports) visit(target);
    trail.pop();
    done.add(path);
  };
  for (const { path } of files) visit(path);
  return cycles;
}

function findOrphans(files: readonly SourceFile[], rules: Rules): string[] {
  const matches = (path: string, patterns: readonly RegExp[]) =>
    patterns.some((pattern) => pattern.test(path));
  const started = files.filter(({ path }) => matches(path, rules.entries));
  const tests = files.filter(({ path }) => TEST.test(path));
  const used = reachable(files, started);
  const usedByTests = reachable(files, tests);
  return files.flatMap(({ path }) => {
    if (used.has(path) || TEST.test(path)) return [];
    if (matches(path, rules.forTests)) return usedByTests.has(path) ? [] : [`${path} is used by no test`];
    return [`${path} is ${usedByTests.has(path) ? "used by tests alone" : "imported by nothing"}`];
  });
}

function reachable(files: readonly SourceFile[], from: readonly SourceFile[]): Set<string> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const seen = new Set<string>();
  const waiting = from.map(({ path }) => path);
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    for (const { target } of byPath.get(path)?.imports ?? []) waiting.push(target);
  }
  return seen;
}

function bannedWords({ path, text }: SourceFile, rules: Rules): string[] {
  return rules.banned.flatMap(({ pattern, instead, where }) => {
    const match = where?.test(path) === false ? null : pattern.exec(text);
    if (!match) return [];
    const line = text.slice(0, match.index).split("\n").length;
    return [`${path}:${line} has "${match[0]}"; ${instead}`];
  });
}

function tooLong({ path, text }: SourceFile, rules: Rules): string[] {
  const lines = text.split("\n").length - 1;
  if (TEST.test(path) || lines <= rules.linesMax) return [];
  return [`${path} has ${lines} lines; split it by what it is about (${rules.linesMax} at most)`];
}
