// F43: random kill -9, SIGSTOP and a full disk under mixed load on real processes, then an audit of every byte.
// SKERRY_ENDURANCE_SECONDS=600 bun test cli/e2e/endurance.test.ts runs it for ten minutes.
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { liveChunkProblems } from "./live-chunks.ts";
import { MixedLoad, problemOf } from "./mixed-load.ts";
import { Nemesis } from "./nemesis.ts";
import { PlainS3 } from "./plain-s3.ts";
import { startSkerry, until } from "./skerry.ts";
import { CAN_MOUNT, SmallDisk } from "./small-disk.ts";

const SECONDS = Number(process.env.SKERRY_ENDURANCE_SECONDS ?? 25);
const SEED = Number(process.env.SKERRY_ENDURANCE_SEED ?? 20_261_121);
const BUCKET = "endurance";
const WORKERS = 12;
const BYTES_PER_SECOND = 3_000_000;
const DISK_BYTES_MIN = 1 << 30;
/** After the faults: the whole service answers again, and all replicas are back. */
const SERVICE_MS_MAX = 60_000;
const REPLICAS_MS_MAX = 180_000;
/** Starting, the audit and stopping, beside the load. */
const REST_MS_MAX = SERVICE_MS_MAX + REPLICAS_MS_MAX + SECONDS * 500 + 120_000;

function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test(
  `${SECONDS} s of random faults under load lose nothing that was acknowledged`,
  async () => {
    const base = mkdtempSync(join(tmpdir(), "skerry-endurance-"));
    using cleanup = new DisposableStack();
    cleanup.defer(() => rmSync(base, { recursive: true, force: true }));
    const disks = ["disk-1", "disk-2", "disk-3"].map((name) => join(base, name));
    const bytes = DISK_BYTES_MIN + 2 * SECONDS * BYTES_PER_SECOND;
    const small = CAN_MOUNT ? cleanup.use(new SmallDisk(disks[2]!, bytes)) : undefined;
    await using cloud = await startSkerry(...disks.flatMap((disk) => ["--disk", disk]));
    const s3 = new PlainS3(cloud.credentials.s3);
    await s3.expect("PUT", `/${BUCKET}`);

    const load = new MixedLoad({
      s3,
      bucket: BUCKET,
      seed: SEED,
      workers: WORKERS,
      bytesPerSecond: BYTES_PER_SECOND,
    });
    const nemesis = new Nemesis(cloud, small, generator(SEED));
    const loaded = load.run();
    const haunted = nemesis.run();
    await Bun.sleep(SECONDS * 1000);
    nemesis.stop();
    await haunted;

    const calmAt = performance.now();
    const failuresBefore = load.failures;
    let calm = load.operations;
    await until(() => serviceAnswers(s3), SERVICE_MS_MAX);
    const serviceMs = performance.now() - calmAt;
    // The load itself gets through, all of its workers.
    calm = load.operations;
    await until(() => load.operations > calm + 20 * WORKERS, SERVICE_MS_MAX);
    load.stop();
    await loaded;

    const { present, problems } = await audit(s3, load);
    await until(
      async () => (await liveChunkProblems(cloud, BUCKET, present, disks)).length === 0,
      REPLICAS_MS_MAX,
    ).catch(() => undefined);
    const replicasMs = performance.now() - calmAt;
    const replicaProblems = await liveChunkProblems(cloud, BUCKET, present, disks);

    console.log(
      [
        `endurance: seed ${SEED}, ${SECONDS} s, ${small ? "with" : "without"} a disk that fills up`,
        `  faults     ${nemesis.count}: ${counts(nemesis.faults)}`,
        `  operations ${load.operations}: ${counts(load.done)}`,
        `  errors     ${load.failures} (${load.failures - failuresBefore} after the faults): ${counts(load.errors)}`,
        `  after the faults: service back in ${(serviceMs / 1000).toFixed(1)} s, all replicas equal after ${(replicasMs / 1000).toFixed(1)} s`,
        `  audited    ${load.expectations().size} keys, ${present.length} objects`,
      ].join("\n"),
    );
    expect(nemesis.problems).toEqual([]);
    expect(load.violations).toEqual([]);
    expect(problems).toEqual([]);
    expect(replicaProblems).toEqual([]);
    expect(load.operations).toBeGreaterThan(SECONDS);
  },
  SECONDS * 1000 + REST_MS_MAX,
);

async function serviceAnswers(s3: PlainS3): Promise<boolean> {
  await s3.put(BUCKET, "probe", Buffer.from("probe"));
  await s3.delete(BUCKET, "probe");
  return true;
}

/** Every key that was ever used, byte for byte, and LIST. */
async function audit(s3: PlainS3, load: MixedLoad): Promise<{ present: string[]; problems: string[] }> {
  const problems: string[] = [];
  const present: string[] = [];
  for (const [key, allowed] of load.expectations()) {
    const found = await s3.get(BUCKET, key);
    if (found !== undefined) present.push(key);
    const problem = problemOf(found, allowed);
    if (problem) problems.push(`${key}: ${problem}`);
  }
  const listed = await s3.list(BUCKET);
  const ordered = present.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  if (listed.join("\n") !== ordered.join("\n")) {
    const missing = ordered.filter((key) => !listed.includes(key));
    const extra = listed.filter((key) => !ordered.includes(key));
    problems.push(`LIST lacks [${missing}], has besides [${extra}], or is out of order`);
  }
  return { present, problems };
}

function counts(of: ReadonlyMap<string, number>): string {
  const sorted = [...of].toSorted(([, a], [, b]) => b - a);
  return sorted.map(([name, count]) => `${count} ${name}`).join(", ") || "none";
}
