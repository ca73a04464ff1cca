// What lies in a data directory:
//   layout.json       the format of this list, and where the chunkservers' directories are
//   cluster.json      the cluster's id and secrets
//   first-start.json  the first secrets, until the first start is through
//   credentials.json  what the first start made, for the person and for scripts
//   databases.json    the URLs of the services' databases that the last start was given
//   restoring.json    there while a restore replaces the parts
//   postgres/ masterd/ chunkd-N/ auth/ tls/   one directory a part
//   run/              sockets, lock and state of what runs now; may be deleted when nothing does
//   log/              the log of a detached start
import { createHash } from "node:crypto";
import { chmod, lstat, mkdir, readdir, stat, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { CommandError } from "./command.ts";

/** sun_path has 108 bytes on Linux, 104 on macOS; the longest name of a socket here takes 16. */
const RUN_PATH_BYTES_MAX = 86;
/** An empty cloud takes about 60 MB; less room than this and the first start would fail half-way. */
const FIRST_START_BYTES_MIN = 128 << 20;

export class DataDirectory {
  /** Absolute. */
  readonly path: string;

  constructor(path: string) {
    this.path = resolve(path);
  }

  at(...names: string[]): string {
    return join(this.path, ...names);
  }

  get layoutFile(): string {
    return this.at("layout.json");
  }
  get clusterFile(): string {
    return this.at("cluster.json");
  }
  get firstStartFile(): string {
    return this.at("first-start.json");
  }
  get credentialsFile(): string {
    return this.at("credentials.json");
  }
  get databasesFile(): string {
    return this.at("databases.json");
  }
  get restoringFile(): string {
    return this.at("restoring.json");
  }
  get logFile(): string {
    return this.at("log", "skerry.log");
  }

  /** Where the sockets are: `run/`, or a private directory elsewhere when that path is too long for a socket. */
  get sockets(): string {
    const inside = this.at("run");
    if (Buffer.byteLength(inside) <= RUN_PATH_BYTES_MAX) return inside;
    const name = createHash("sha256").update(this.path).digest("hex").slice(0, 16);
    return join(tmpdir(), `skerry-${process.getuid?.() ?? 0}-${name}`);
  }
  get adminSocket(): string {
    return join(this.sockets, "admin.sock");
  }
  get stateFile(): string {
    return this.at("run", "supervisor.json");
  }
  get lockFile(): string {
    return this.at("run", "lock");
  }

  /** Makes what is missing, closed to others. Throws {@link CommandError} where the directory cannot be used. */
  async prepare(): Promise<void> {
    try {
      await mkdir(this.path, { recursive: true, mode: 0o700 });
      await this.refuseForeign();
      await chmod(this.path, 0o700);
      for (const name of ["run", "log"]) await mkdir(this.at(name), { recursive: true, mode: 0o700 });
      await this.prepareSockets();
    } catch (error) {
      throw explain(error as NodeJS.ErrnoException, this.path);
    }
  }

  /** Whether `up` has ever made something of this directory. */
  async exists(): Promise<boolean> {
    return await Bun.file(this.layoutFile).exists();
  }

  private async refuseForeign(): Promise<void> {
    if (await this.exists()) return;
    // A first start that was interrupted early has left these and nothing else.
    const foreign = (await readdir(this.path)).filter((name) => !["run", "log", "lost+found"].includes(name));
    if (foreign.length > 0) {
      throw new CommandError(
        `${this.path} holds other files (${foreign.slice(0, 3).join(", ")}); choose an empty or new directory with --data`,
      );
    }
    const { bavail, bsize } = await statfs(this.path);
    if (bavail * bsize < FIRST_START_BYTES_MIN) {
      throw new CommandError(
        `${this.path} has ${Math.floor((bavail * bsize) / 1e6)} MB free; a new cloud needs ${Math.ceil(FIRST_START_BYTES_MIN / 1e6)} MB`,
      );
    }
  }

  private async prepareSockets(): Promise<void> {
    const path = this.sockets;
    await mkdir(path, { recursive: true, mode: 0o700 });
    const entry = await lstat(path);
    // In a directory that all may write to, somebody else may have been first.
    if (!entry.isDirectory() || entry.uid !== (process.getuid?.() ?? entry.uid)) {
      throw new CommandError(`${path} belongs to somebody else; choose a shorter path with --data`);
    }
    await chmod(path, 0o700);
  }
}

/** Throws {@link CommandError} unless `path` is a data directory that `up` has made. */
export async function existingDataDirectory(path: string): Promise<DataDirectory> {
  const data = new DataDirectory(path);
  if (await data.exists()) return data;
  const there = await stat(data.path).catch(() => undefined);
  const what = there ? "is no data directory of skerry" : "does not exist";
  throw new CommandError(
    `not running: ${data.path} ${what}; name the one that \`skerry up\` got with --data`,
  );
}

const REASONS: Record<string, string> = {
  EACCES: "this user may not write there; choose another with --data, or change its owner",
  EPERM: "this user may not change it; choose another with --data, or change its owner",
  EROFS: "the file system is read-only; choose another with --data",
  ENOSPC: "the disk is full; free some space, or choose another with --data",
  ENOTDIR: "a part of the path is a file; choose another with --data",
  EEXIST: "it is a file; choose another with --data",
  EDQUOT: "the disk quota is used up; free some space, or choose another with --data",
};

function explain(error: NodeJS.ErrnoException, path: string): Error {
  if (error instanceof CommandError) return error;
  const reason = REASONS[error.code ?? ""] ?? error.message;
  return new CommandError(`cannot use the data directory ${path}: ${reason}`);
}
