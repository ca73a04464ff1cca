// A disk that can be filled: a tmpfs whose size is changed under whoever uses it.
import { mkdirSync, rmdirSync, statfsSync } from "node:fs";

const PAGE_SIZE = 4096;
const FILL_TRIES_MAX = 100;

/** Whether this user may mount. */
export const CAN_MOUNT = process.platform === "linux" && process.getuid?.() === 0 && tryMount();

function tryMount(): boolean {
  const { exitCode } = Bun.spawnSync(["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
  return exitCode === 0;
}

function run(...command: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
}

export class SmallDisk implements Disposable {
  /** Mounts a disk of `size` bytes at `directory`, which is made. */
  constructor(
    readonly directory: string,
    private readonly size: number,
  ) {
    mkdirSync(directory, { recursive: true });
    run("mount", "-t", "tmpfs", "-o", `size=${size},mode=700`, "tmpfs", directory);
  }

  /** No byte more goes in, from now on. */
  fill(): void {
    for (let tries = 1; ; tries++) {
      const { blocks, bfree, bsize } = statfsSync(this.directory);
      try {
        this.resize(Math.max(PAGE_SIZE, (blocks - bfree) * bsize));
        return;
      } catch (error) {
        // Somebody wrote since the size was looked at, and no file system shrinks below what it holds.
        if (tries === FILL_TRIES_MAX) throw error;
      }
    }
  }

  /** Has its first size again. */
  drain(): void {
    this.resize(this.size);
  }

  private resize(size: number): void {
    run("mount", "-o", `remount,size=${size}`, this.directory);
  }

  [Symbol.dispose](): void {
    run("umount", "--lazy", this.directory);
    rmdirSync(this.directory);
  }
}
