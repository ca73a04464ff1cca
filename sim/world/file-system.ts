// Names of files, and which of them would be there after a power failure: a directory's changes become durable in
// their order, and surely only by a sync of that directory.
import { basename, dirname } from "node:path";
import { diskError } from "./disk-error.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** What a name can stand for beside a directory. */
export interface Inode {
  readonly size: number;
  powerLoss(random: SeededRandom): void;
}

const DIRECTORY = Symbol("directory");
type Entry<F> = F | typeof DIRECTORY;
type NameChange<F> = (names: Map<string, Entry<F>>) => void;

interface Directory<F> {
  names: Map<string, Entry<F>>;
  durable: Map<string, Entry<F>>;
  /** Not durable yet, in their order. */
  changes: NameChange<F>[];
  /** Changes that are durable, or lost. */
  settled: number;
}

export class FileSystem<F extends Inode> {
  private readonly directories = new Map<string, Directory<F>>();

  /** `roots` are there from the beginning, durably. */
  constructor(roots: readonly string[]) {
    for (const root of roots) {
      let path = root;
      this.directories.set(path, emptyDirectory());
      while (path !== "/") {
        const parent = this.directories.get(dirname(path)) ?? emptyDirectory<F>();
        this.directories.set(dirname(path), parent);
        parent.names.set(basename(path), DIRECTORY);
        parent.durable.set(basename(path), DIRECTORY);
        path = dirname(path);
      }
    }
  }

  /** The file at `path`. Throws ENOENT, or EISDIR. */
  file(path: string): F {
    const entry = this.directories.get(dirname(path))?.names.get(basename(path));
    if (entry === undefined) throw diskError("ENOENT", path);
    if (entry === DIRECTORY) throw diskError("EISDIR", path);
    return entry as F;
  }

  has(path: string): boolean {
    return this.directories.get(dirname(path))?.names.has(basename(path)) ?? false;
  }

  add(path: string, file: F): void {
    if (this.has(path)) throw diskError("EEXIST", path);
    this.change(dirname(path), path, (names) => names.set(basename(path), file));
  }

  list(path: string): string[] {
    return [...this.directory(path).names.keys()];
  }

  mkdir(path: string): void {
    if (this.directories.has(path)) return;
    this.mkdir(dirname(path));
    this.change(dirname(path), path, (names) => names.set(basename(path), DIRECTORY));
    this.directories.set(path, emptyDirectory());
  }

  remove(path: string): void {
    this.file(path);
    this.change(dirname(path), path, (names) => names.delete(basename(path)));
  }

  rename(from: string, to: string): void {
    const file = this.file(from);
    if (dirname(from) !== dirname(to)) throw diskError("EXDEV", to);
    this.change(dirname(to), to, (names) => {
      names.delete(basename(from));
      names.set(basename(to), file);
    });
  }

  /** Counts the changes of a directory's names so far: what a sync that begins now covers. */
  mark(path: string): number {
    const { settled, changes } = this.directory(path);
    return settled + changes.length;
  }

  /** The changes up to `mark` are durable from now on. */
  synced(path: string, mark: number): void {
    const directory = this.directory(path);
    const count = Math.max(0, mark - directory.settled);
    for (const change of directory.changes.splice(0, count)) change(directory.durable);
    directory.settled += count;
  }

  /** All files that have a name now, in the order of their making, with their paths. */
  *files(): Iterable<[path: string, file: F]> {
    for (const [path, { names }] of this.directories) {
      for (const [name, entry] of names) if (entry !== DIRECTORY) yield [`${path}/${name}`, entry as F];
    }
  }

  /** Of all files that have a name. */
  get usedBytes(): number {
    let used = 0;
    for (const { names } of this.directories.values()) {
      for (const entry of names.values()) if (entry !== DIRECTORY) used += (entry as F).size;
    }
    return used;
  }

  powerLoss(random: SeededRandom): void {
    for (const directory of this.directories.values()) {
      const kept = random.int(0, directory.changes.length);
      for (const change of directory.changes.slice(0, kept)) change(directory.durable);
      directory.settled += directory.changes.length;
      directory.changes = [];
      directory.names = new Map(directory.durable);
    }
    for (const path of [...this.directories.keys()])
      if (!this.isReachable(path)) this.directories.delete(path);
    for (const [, file] of this.files()) file.powerLoss(random);
  }

  private isReachable(path: string): boolean {
    if (path === "/") return true;
    const parent = this.directories.get(dirname(path));
    return parent?.names.get(basename(path)) === DIRECTORY && this.isReachable(dirname(path));
  }

  private directory(path: string): Directory<F> {
    const directory = this.directories.get(path);
    if (!directory) throw diskError("ENOENT", path);
    return directory;
  }

  private change(directoryPath: string, path: string, change: NameChange<F>): void {
    const directory = this.directories.get(directoryPath);
    if (!directory) throw diskError("ENOENT", path);
    change(directory.names);
    directory.changes.push(change);
  }
}

function emptyDirectory<F>(): Directory<F> {
  return { names: new Map(), durable: new Map(), changes: [], settled: 0 };
}
