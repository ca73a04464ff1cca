import { afterEach, describe, expect, test } from "bun:test";
import { silentLog } from "../../std/log.ts";
import { openStore } from "../store/open-store.ts";
import type { Store } from "../store/store.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import {
  atEnd,
  cleanUp,
  dataIn,
  NO_ATTRIBUTES,
  TEST_SECRETS,
  testDirectory,
  testEnvironment,
  until,
} from "../testing/test-master.ts";
import { AbandonedUploads } from "./abandoned-uploads.ts";

afterEach(cleanUp);

const DAY_MS = 24 * 60 * 60_000;

async function start(days?: number) {
  const clock = new ManualClock();
  const directory = await testDirectory();
  const store = await openStore(
    { ...testEnvironment, clock },
    { directory, clusterId: TEST_SECRETS.clusterId },
  );
  atEnd(() => store.close());
  const uploads = new AbandonedUploads({ clock, log: silentLog, store }, days);
  atEnd(() => uploads.close());
  await store.submit<"createBucket">({ type: "createBucket", at: clock.now(), name: "bucket", owner: "u" });
  const chunks = [{ handle: 1, members: ["s1", "s2"] }];
  await store.submit<"openChunks">({ type: "openChunks", at: clock.now(), chunks });
  return { clock, store, uploads };
}

async function begin(store: Store, clock: ManualClock, uploadId: string): Promise<void> {
  const upload = { bucket: "bucket", key: "key", uploadId, owner: "u", attributes: NO_ATTRIBUTES };
  await store.submit<"createUpload">({ type: "createUpload", at: clock.now(), ...upload });
}

async function putPart(store: Store, clock: ManualClock, uploadId: string): Promise<void> {
  const part = { bucket: "bucket", key: "key", uploadId, partNumber: 1, data: dataIn(1), checksums: {} };
  await store.submit<"commitPart">({ type: "commitPart", at: clock.now(), ...part });
}

/** A tick an hour, each with all the slices that it takes. */
async function tick({ clock, uploads }: Awaited<ReturnType<typeof start>>): Promise<void> {
  clock.advance(60 * 60_000);
  uploads.tick();
  for (let turn = 0; turn < 20; turn++) {
    await until(() => true, "a turn");
    clock.advance(100);
  }
}

const idsOf = (store: Store, ids: string[]): string[] => ids.filter((id) => store.catalog.uploads.hasId(id));

describe("uploads without a new part for seven days", () => {
  test("are aborted, and their parts are garbage; those that go on are not", async () => {
    const all = await start();
    const { store, clock, uploads } = all;
    for (const id of ["old", "with-part", "goes-on"]) await begin(store, clock, id);
    await putPart(store, clock, "with-part");
    clock.advance(6.9 * DAY_MS);
    await begin(store, clock, "young");
    await putPart(store, clock, "goes-on");
    await tick(all);
    expect(idsOf(store, ["old", "with-part", "goes-on", "young"])).toHaveLength(4);
    clock.advance(0.2 * DAY_MS);
    await tick(all);
    await until(() => uploads.aborted === 2, "two are aborted");
    expect(idsOf(store, ["old", "with-part", "goes-on", "young"])).toEqual(["goes-on", "young"]);
    expect(store.catalog.chunks.get(1)!.live).toBe(1000);
  });

  test("are kept when the days are 0", async () => {
    const all = await start(0);
    await begin(all.store, all.clock, "old");
    all.clock.advance(400 * DAY_MS);
    await tick(all);
    expect(idsOf(all.store, ["old"])).toEqual(["old"]);
  });

  test("are found beyond the first page", async () => {
    const all = await start();
    const { store, clock, uploads } = all;
    await Promise.all(Array.from({ length: 250 }, (_, i) => begin(store, clock, `upload-${i}`)));
    clock.advance(8 * DAY_MS);
    await tick(all);
    await until(() => {
      clock.advance(100);
      return uploads.aborted === 250;
    }, "all are aborted");
  });

  test("are not aborted when a part came after the look", async () => {
    const { store, clock } = await start();
    await begin(store, clock, "old");
    clock.advance(8 * DAY_MS);
    const idleSince = clock.now() - 7 * DAY_MS;
    await putPart(store, clock, "old");
    const upload = { bucket: "bucket", key: "key", uploadId: "old", idleSince };
    const refused = store.submit<"abandonUpload">({ type: "abandonUpload", at: clock.now(), ...upload });
    expect(refused).rejects.toMatchObject({ code: "BAD_REQUEST" });
    await refused.catch(() => {});
    expect(idsOf(store, ["old"])).toEqual(["old"]);
  });
});
