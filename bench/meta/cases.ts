import type { MasterClient } from "../../masterd/client/client.ts";
import type { Lease } from "../../masterd/protocol/messages.ts";
import { ATTRIBUTES, BUCKET, dataAt, OBJECT_SIZE, OBJECTS_PER_CHUNK } from "./generate.ts";
import { type CaseResult, closedLoop } from "./loop.ts";

const PAGE = 1000;

export interface CasesShape {
  where: string;
  pid: number;
  workers: number;
  seconds: number;
}

const randomKey = (index: number): string =>
  `photos/2026/${String(Math.imul(index, 2654435761) >>> 0)}/${index}.jpg`;

/** Commits, looks up and lists in a bucket of its own on an empty master. */
export async function emptyMasterCases(master: MasterClient, shape: CasesShape): Promise<CaseResult[]> {
  await master.createBucket({ name: BUCKET, owner: "bench" });
  const commits = await commitCase(master, shape);
  const lookups = await lookupCase(master, shape, (index) =>
    randomKey((Math.imul(index, 40503) >>> 0) % commits.count),
  );
  const lists = await listCase(master, shape);
  const { objects } = await master.status(null);
  if (objects !== commits.count) throw new Error(`${commits.count} commits made ${objects} objects`);
  return [commits, lookups, lists];
}

/** Objects of one 4 KiB extent, each under a new random key. */
export async function commitCase(master: MasterClient, shape: CasesShape): Promise<CaseResult> {
  const { leases } = await master.openChunks({ count: 64 });
  return closedLoop({ ...shape, name: "commit" }, async (index) => {
    const data = dataAt(handleAt(leases, index), index);
    await master.commitObject({ bucket: BUCKET, key: randomKey(index), data, attributes: ATTRIBUTES });
    return 1;
  });
}

function handleAt(leases: readonly Lease[], index: number): number {
  return leases[Math.floor(index / OBJECTS_PER_CHUNK) % leases.length]!.handle;
}

export function lookupCase(
  master: MasterClient,
  shape: CasesShape,
  keyAt: (index: number) => string,
): Promise<CaseResult> {
  return closedLoop({ ...shape, name: "look-up" }, async (index) => {
    const key = keyAt(index);
    const { object } = await master.getObject({ bucket: BUCKET, key });
    if (object.size !== OBJECT_SIZE) throw new Error(`the master gave a wrong object for ${key}`);
    return 1;
  });
}

/** Each caller pages through the whole bucket, again and again. */
export function listCase(master: MasterClient, shape: CasesShape): Promise<CaseResult> {
  const cursors: (string | undefined)[] = [];
  return closedLoop({ ...shape, name: "list" }, async (index) => {
    const cursor = index % shape.workers;
    const { objects, next } = await master.listObjects({ bucket: BUCKET, after: cursors[cursor], max: PAGE });
    cursors[cursor] = next;
    return objects.length;
  });
}
