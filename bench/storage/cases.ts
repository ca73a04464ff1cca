// What is measured, as operations on a workspace. The order is fixed: sizes as given, and for each put, get, mixed;
// list comes first, since it has no size.
import type { Operation } from "./closed-loop.ts";
import { digestOf } from "./object-bodies.ts";
import type { ObjectSet, Workspace } from "./workspace.ts";

export const OPS = ["list", "put", "get", "mixed"] as const;
export type Op = (typeof OPS)[number];

/** Keys under the prefix that `list` reads: one full page of S3. */
const LIST_KEYS = 1000;
const LIST_KEY_SIZE = 64;
/** Objects that `get` and `mixed` read: enough that they are not one hot block, little enough to store quickly. */
const READ_OBJECTS_MAX = 256;
const READ_BYTES_MAX = 256 << 20;
const READ_OBJECTS_MIN = 4;
/** Of 20 operations of the mix, 14 are gets (70 %), 5 are puts (25 %) and one is in turns a delete and a list (5 %). */
const MIX = "ggggpgggpggxgggpgpgp";
const MIX_LIST_KEYS = 100;

export interface Case {
  op: Op;
  /** Bytes of an object; undefined for list. */
  size: number | undefined;
  /** Makes the objects that the operation needs. */
  prepare(signal: AbortSignal): Promise<void>;
  operation: Operation;
  /** Deletes what it made, so that cases do not pile up on the disk. */
  clear(): Promise<void>;
}

export class VerificationError extends Error {
  override name = "VerificationError";
}

export function casesOf(workspace: Workspace, ops: readonly Op[], sizes: readonly number[]): Case[] {
  const cases: Case[] = [];
  if (ops.includes("list")) cases.push(listCase(workspace));
  for (const size of sizes) {
    if (ops.includes("put")) cases.push(putCase(workspace, size));
    if (ops.includes("get")) cases.push(getCase(workspace, size));
    if (ops.includes("mixed")) cases.push(mixedCase(workspace, size));
  }
  return cases;
}

function readObjects(size: number): number {
  return Math.max(
    READ_OBJECTS_MIN,
    Math.min(READ_OBJECTS_MAX, Math.floor(READ_BYTES_MAX / Math.max(1, size))),
  );
}

async function clearOf(...sets: ObjectSet[]): Promise<void> {
  for (const set of sets) await set.clear({ deleted: 0, failures: {} });
}

function listCase(workspace: Workspace): Case {
  const set = workspace.objects("list", LIST_KEY_SIZE);
  const prefix = `${workspace.prefix}list/`;
  return {
    op: "list",
    size: undefined,
    prepare: (signal) => set.fill(LIST_KEYS, signal),
    async operation(worker) {
      const listed = await workspace.clients[worker]!.list(workspace.bucket, prefix, LIST_KEYS);
      if (listed !== set.count()) throw new VerificationError(`${listed} of ${set.count()} keys listed`);
      return { kind: "list", bytes: 0 };
    },
    clear: () => clearOf(set),
  };
}

function putCase(workspace: Workspace, size: number): Case {
  const set = workspace.objects(`put-${size}`, size);
  return {
    op: "put",
    size,
    prepare: async () => {},
    async operation(worker) {
      await set.put(worker);
      return { kind: "put", bytes: size };
    },
    clear: () => clearOf(set),
  };
}

/** Reads one object of `set` and checks its length; its bytes were checked before the clock ran. */
async function readOne(workspace: Workspace, set: ObjectSet, worker: number, index: number) {
  const read = await workspace.clients[worker]!.get(workspace.bucket, set.keyAt(index));
  if (read !== set.size) throw new VerificationError(`${read} of ${set.size} bytes read`);
  return { kind: "get", bytes: read };
}

function getCase(workspace: Workspace, size: number): Case {
  const set = workspace.objects(`get-${size}`, size);
  let next = 0;
  return {
    op: "get",
    size,
    prepare: (signal) => set.fill(readObjects(size), signal),
    operation: (worker) => readOne(workspace, set, worker, next++),
    clear: () => clearOf(set),
  };
}

function mixedCase(workspace: Workspace, size: number): Case {
  const stable = workspace.objects(`mixed-read-${size}`, size);
  const changing = workspace.objects(`mixed-write-${size}`, size);
  const turns = workspace.clients.map((_, worker) => worker * 7);
  let next = 0;
  let rare = 0;
  return {
    op: "mixed",
    size,
    prepare: (signal) => stable.fill(readObjects(size), signal),
    async operation(worker) {
      const letter = MIX[turns[worker]!++ % MIX.length];
      if (letter === "g") return readOne(workspace, stable, worker, next++);
      if (letter === "x" && rare++ % 2 === 0 && (await changing.deleteOldest(worker))) {
        return { kind: "delete", bytes: 0 };
      }
      if (letter === "x") {
        await workspace.clients[worker]!.list(workspace.bucket, workspace.prefix, MIX_LIST_KEYS);
        return { kind: "list", bytes: 0 };
      }
      await changing.put(worker);
      return { kind: "put", bytes: size };
    },
    clear: () => clearOf(stable, changing),
  };
}

/**
 * Stores and reads back one object of each size and compares them by MD5, before anything is timed: a fast wrong answer
 * must not make it into a table. Throws {@link VerificationError}.
 */
export async function verifyRoundTrips(workspace: Workspace, sizes: readonly number[]): Promise<void> {
  const client = workspace.clients[0]!;
  for (const size of sizes) {
    const set = workspace.objects(`verify-${size}`, size);
    await set.put(0);
    const key = set.key(0, 0);
    const hash = new Bun.CryptoHasher("md5");
    const read = await client.get(workspace.bucket, key, (bytes) => void hash.update(bytes));
    const expected = digestOf(workspace.bodies.of(size, key));
    if (read !== size || hash.digest("hex") !== expected) {
      throw new VerificationError(`an object of ${size} bytes came back as ${read} other bytes`);
    }
    await clearOf(set);
  }
}
