import { expect, test } from "bun:test";
import type { AdminStatus } from "../../edge/admin-socket.ts";
import { describeStorage } from "./storage-view.ts";

type Storage = NonNullable<AdminStatus["storage"]>;

const NOW = 1_800_000_000_000;

function storage(more: Partial<Storage> = {}): Storage {
  const scrub = {
    doneBytes: 0,
    totalBytes: 100,
    startedAt: NOW - 9e5,
    finishedAt: NOW - 6e5,
    damagedFound: 0,
  };
  return {
    clusterId: "a".repeat(32),
    servers: ["s1", "s2", "s3"].map((id) => ({
      id,
      address: `${id}:1`,
      alive: true,
      state: "active",
      diskFailed: false,
      totalBytes: 100 << 20,
      freeBytes: 40 << 20,
      chunks: 3,
      lastSeenMs: 5,
      scrub,
      syncs: null,
    })),
    buckets: 1,
    objects: 9,
    chunks: {
      open: 1,
      sealed: 3,
      deleting: 0,
      byReplicas: [0, 0, 0, 3, 0],
      underReplicated: 0,
      underReplicatedBytes: 0,
    },
    repair: { queued: 0, active: 0, copiedBytes: 0, bytesPerSecond: 0, rebalancedBytes: 0, holding: false },
    garbage: {
      storedBytes: 0,
      liveBytes: 0,
      deadBytes: 0,
      compacting: 0,
      compacted: 0,
      compactedBytes: 0,
      spaceIsShort: false,
    },
    orphans: { count: 0, bytes: 0, held: null },
    leases: 1,
    commits: { batches: 1, commands: 1, bytes: 1 },
    journal: { sequence: 1, bytes: 1 },
    ...more,
  } as Storage;
}

test("a sound storage is told in few lines", () => {
  const text = describeStorage(storage(), NOW);
  expect(text).toMatch(/s1 +alive +s1:1 +3 +40.0 MiB +100 MiB +10m 0s ago\n/);
  expect(text).toContain("1 bucket, 9 objects; 1 open chunk (1 leased), 3 sealed, 0 being deleted\n");
  expect(text).toContain("all chunks have their replicas\n");
  expect(text).not.toMatch(/repair|garbage|orphans/);
});

test("missing replicas are told with how far their repair is", () => {
  const { chunks, repair } = storage();
  const text = describeStorage(
    storage({
      chunks: { ...chunks, byReplicas: [1, 2, 3, 4, 0], underReplicated: 6, underReplicatedBytes: 600 << 20 },
      repair: { ...repair, queued: 5, active: 2, bytesPerSecond: 10 << 20 },
    }),
    NOW,
  );
  expect(text).toContain("6 chunks lack replicas (1 with none, 2 with 1, 3 with 2): 600 MiB to copy\n");
  expect(text).toContain("repair: 5 chunks queued, 2 copies under way, 10.0 MiB/s, ready in about 1m 0s\n");
  const held = describeStorage(
    storage({ chunks: { ...chunks, underReplicated: 1 }, repair: { ...repair, holding: true } }),
    NOW,
  );
  expect(held).toContain("waits: too many are away");
});

test("states, failed disks, running scrubs, garbage and held orphans are told", () => {
  const base = storage();
  const [first, second, third] = base.servers;
  const running = { doneBytes: 25, totalBytes: 100, startedAt: NOW, finishedAt: NOW - 5, damagedFound: 2 };
  const text = describeStorage(
    storage({
      servers: [
        { ...first!, state: "draining", scrub: running },
        { ...second!, diskFailed: true, scrub: null },
        { ...third!, alive: false, address: "" },
      ],
      garbage: {
        ...base.garbage,
        storedBytes: 200 << 20,
        deadBytes: 50 << 20,
        compacting: 1,
        spaceIsShort: true,
      },
      orphans: { count: 7, bytes: 3 << 20, held: "catalog-restored" },
    }),
    NOW,
  );
  expect(text).toMatch(/s1 +alive, draining .* 25 %, 2 damaged\n/);
  expect(text).toMatch(/s2 +alive, disk failed .* -\n/);
  expect(text).toMatch(/s3 +lost +- /);
  expect(text).toContain(
    "garbage: 50.0 MiB of 200 MiB (25 %), 1 chunks being compacted; the disks are nearly full\n",
  );
  expect(text).toContain("7 orphans of 3.0 MiB are kept, because the master was restored from a backup");
});
