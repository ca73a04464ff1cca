// What may go wrong with a disk. All of it is off until a scenario turns it on.

/**
 * `name`: creates, removes, renames. `look`: opens, lists, asks for sizes. A directory's sync is a `sync`, a catalog's commit
 * a `write` and its checkpoint a `sync`.
 */
export type DiskOperation = "read" | "write" | "sync" | "name" | "look";

const OPERATIONS: readonly DiskOperation[] = ["read", "write", "sync", "name", "look"];

interface Planned {
  operation: DiskOperation;
  path: RegExp;
  fault: Fault;
}

export type Fault =
  /** The operation fails with this code, such as EIO or ENOSPC; of a write a part may have happened. */
  | { error: string }
  /** A write that is reported as done and never happens: a reader finds what was there before. */
  | "lose"
  /** A write that goes to another place, in this file or in another one. */
  | "misdirect";

export class DiskFaults {
  /** Chance that an operation fails with EIO. */
  readonly errorChance: Record<DiskOperation, number> = { read: 0, write: 0, sync: 0, name: 0, look: 0 };
  /** How much longer everything takes. */
  slowness = 1;
  /** The file system was remounted read-only: whatever would change it fails with EROFS. */
  readOnly = false;
  /** Syncs are answered and do nothing: a broken build of everything above, or a disk that lies. */
  syncsLie = false;
  private planned: Planned[] = [];

  /** The next operation of this kind on a path that matches has `fault`. */
  next(operation: DiskOperation, path: RegExp, fault: Fault): void {
    this.planned.push({ operation, path, fault });
  }

  /** Nothing goes wrong from now on; what went wrong already stays. */
  clear(): void {
    for (const operation of OPERATIONS) this.errorChance[operation] = 0;
    this.slowness = 1;
    this.readOnly = false;
    this.planned = [];
  }

  /** For the disk: takes what was planned for this operation. */
  take(operation: DiskOperation, path: string): Fault | undefined {
    if (this.planned.length === 0) return undefined;
    const index = this.planned.findIndex((one) => one.operation === operation && one.path.test(path));
    return index < 0 ? undefined : this.planned.splice(index, 1)[0]!.fault;
  }
}
