// What a master of many objects needs: memory, time to start again after a clean end, a kill and a power failure, and
// time for a page of a listing wherever it begins.
import { constants, copyFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import type { ClusterSecrets } from "../../chunkd/protocol/handshake.ts";
import { connectMaster, type MasterConnection } from "../../masterd/client/client.ts";
import type { ListRequest } from "../../masterd/protocol/messages.ts";
import { openStore } from "../../masterd/store/open-store.ts";
import { systemClock } from "../../std/clock.ts";
import { UsageError } from "../../std/config.ts";
import { systemDisk } from "../../std/disk.ts";
import { silentLog } from "../../std/log.ts";
import { systemNet } from "../../std/net.ts";
import { systemRandom } from "../../std/random.ts";
import { commitCase, listCase, lookupCase } from "./cases.ts";
import { BUCKET, FLAT_PREFIX, generate, keyAt } from "./generate.ts";
import { type CaseResult, residentBytes } from "./loop.ts";
import { joinServers, type MasterProcess, spawnMaster } from "./master.ts";

/** Catalog twice, WAL and journal, for each object; what one run takes beside. */
const BYTES_PER_OBJECT = 600;
const BYTES_BESIDE = 2 << 30;
/** Commands that the journal has and the catalog file lacks after the power failure: a segment of 64 MiB. */
const TAIL_COMMANDS = 200_000;
const PAGES_PER_QUESTION = 20;

export interface ScaleResult {
  objects: number;
  generatedPerSecond: number;
  files: { catalogBytes: number; journalBytes: number };
  restarts: { after: string; ms: number; replayed?: number }[];
  resident: { started: number; serving: number; most: number };
  cases: CaseResult[];
  pages: { question: string; p50: number; worst: number }[];
}

export interface ScaleShape {
  objects: number;
  seconds: number;
  inFlight: number;
}

export async function measureScale(
  directory: string,
  secrets: ClusterSecrets,
  shape: ScaleShape,
  say: (text: string) => void,
): Promise<ScaleResult> {
  await checkRoom(directory, shape.objects);
  const generatedPerSecond = await fill(join(directory, "masterd"), secrets, shape.objects, say);
  return { generatedPerSecond, ...(await measureFilled(directory, secrets, shape, say)) };
}

/** As {@link measureScale}, on a store that was generated before. */
export async function measureFilled(
  directory: string,
  secrets: ClusterSecrets,
  shape: ScaleShape,
  say: (text: string) => void,
): Promise<Omit<ScaleResult, "generatedPerSecond">> {
  const store = join(directory, "masterd");
  const files = {
    catalogBytes: statSync(join(store, "catalog.sqlite")).size,
    journalBytes: sizeOf(join(store, "journal")),
  };
  const restarts: ScaleResult["restarts"] = [];
  say("a master after a clean end");
  const clean = await spawnMaster(directory, secrets);
  restarts.push({ after: "a clean end", ms: clean.startMs });
  const { cases, pages, resident } = await serve(clean, secrets, shape, say);
  await clean.end("SIGKILL");
  say("a master after kill -9 under load");
  const killed = await spawnMaster(directory, secrets);
  restarts.push({ after: "kill -9", ms: killed.startMs });
  await killed.end("SIGTERM");
  say(`a catalog that is ${TAIL_COMMANDS} commands behind its journal`);
  await fallBehind(store, secrets, shape.objects);
  const behind = await spawnMaster(directory, secrets);
  restarts.push({ after: "power failure", ms: behind.startMs, replayed: TAIL_COMMANDS });
  await behind.end("SIGTERM");
  return { objects: shape.objects, files, restarts, resident, cases, pages };
}

async function checkRoom(directory: string, objects: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const needed = objects * BYTES_PER_OBJECT + BYTES_BESIDE;
  if (bavail * bsize >= needed) return;
  throw new UsageError(
    `${objects} objects need ${Math.ceil(needed / 1e9)} GB in ${directory}: give another --scratch`,
  );
}

function openAt(directory: string, { clusterId }: ClusterSecrets, segmentSizeMax?: number) {
  const env = { clock: systemClock, disk: systemDisk, log: silentLog };
  return openStore(env, { directory, clusterId, segmentSizeMax });
}

async function fill(
  directory: string,
  secrets: ClusterSecrets,
  objects: number,
  say: (text: string) => void,
): Promise<number> {
  const store = await openAt(directory, secrets);
  const startedMs = performance.now();
  let told = 0;
  await generate(store, objects, (done) => {
    if (done - told < objects / 20) return;
    told = done;
    say(`${done.toLocaleString("en")} of ${objects.toLocaleString("en")} objects generated`);
  });
  const seconds = (performance.now() - startedMs) / 1_000;
  await store.close();
  return objects / seconds;
}

async function serve(
  master: MasterProcess,
  secrets: ClusterSecrets,
  { objects, seconds, inFlight }: ScaleShape,
  say: (text: string) => void,
): Promise<Pick<ScaleResult, "cases" | "pages" | "resident">> {
  const started = residentBytes(master.pid).now;
  const env = { clock: systemClock, net: systemNet, random: systemRandom };
  const client = connectMaster(env, { address: master.address, secrets, id: "bench" });
  const servers = await joinServers(master.address, secrets);
  try {
    say("pages of listings");
    const pages = await measurePages(client);
    const shape = { where: "wire", pid: master.pid, workers: inFlight, seconds };
    say("look-ups, lists and commits");
    const lookups = await lookupCase(client, shape, (index) =>
      keyAt((Math.imul(index, 2654435761) >>> 0) % objects),
    );
    const lists = await listCase(client, { ...shape, workers: Math.min(inFlight, 8) });
    const commits = await commitCase(client, shape);
    const { now: serving, most } = residentBytes(master.pid);
    return { cases: [lookups, lists, commits], pages, resident: { started, serving, most } };
  } finally {
    client.close();
    for (const server of servers) server.close();
  }
}

const QUESTIONS: Record<string, Omit<ListRequest, "bucket" | "max">> = {
  "all keys, from the first": {},
  "folders at the top (delimiter)": { delimiter: "/" },
  "folders of tenants/ (delimiter)": { prefix: "tenants/", delimiter: "/" },
  "folders of one tenant (delimiter)": { prefix: "tenants/0031/photos/", delimiter: "/" },
  "one flat prefix, from its first": { prefix: FLAT_PREFIX },
  "one flat prefix, from its middle": {
    prefix: FLAT_PREFIX,
    after: `${FLAT_PREFIX}2026-01-01T00-00-00Z-0000500000`,
  },
  "one flat prefix with delimiter": { prefix: FLAT_PREFIX, delimiter: "/" },
};

async function measurePages(client: MasterConnection): Promise<ScaleResult["pages"]> {
  const pages: ScaleResult["pages"] = [];
  for (const [question, request] of Object.entries(QUESTIONS)) {
    const times: number[] = [];
    for (let i = 0; i < PAGES_PER_QUESTION; i++) {
      const startedMs = performance.now();
      await client.listObjects({ bucket: BUCKET, max: 1000, ...request });
      times.push(performance.now() - startedMs);
    }
    times.sort((a, b) => a - b);
    pages.push({ question, p50: times[times.length >> 1]!, worst: times.at(-1)! });
  }
  return pages;
}

/** As a power failure may leave it: the catalog as of an earlier checkpoint, the journal whole. */
async function fallBehind(directory: string, secrets: ClusterSecrets, objects: number): Promise<void> {
  const catalog = join(directory, "catalog.sqlite");
  const kept = `${catalog}.kept`;
  copyFileSync(catalog, kept, constants.COPYFILE_FICLONE);
  // One long segment: none is removed while the copy needs it.
  const store = await openAt(directory, secrets, 2 ** 40);
  for (let done = 0; done < TAIL_COMMANDS; ) {
    const group = Array.from({ length: Math.min(4_000, TAIL_COMMANDS - done) }, (_, i) =>
      store.submit<"deleteObject">({
        type: "deleteObject",
        at: 0,
        bucket: BUCKET,
        key: keyAt((done + i) % objects),
      }),
    );
    await Promise.all(group);
    done += group.length;
  }
  await store.close();
  rmSync(catalog);
  copyFileSync(kept, catalog, constants.COPYFILE_FICLONE);
  rmSync(kept);
}

function sizeOf(directory: string): number {
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
}

export function scaleTable(result: ScaleResult): string {
  const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20).toLocaleString("en")} MiB`;
  const { files, resident } = result;
  return [
    `${result.objects.toLocaleString("en")} objects, generated at ${Math.round(result.generatedPerSecond).toLocaleString("en")}/s`,
    `catalog ${mib(files.catalogBytes)}, journal ${mib(files.journalBytes)}`,
    `memory  ${mib(resident.started)} after the start, ${mib(resident.serving)} after all cases, ${mib(resident.most)} at most`,
    ...result.restarts.map(({ after, ms, replayed }) => {
      const rate = replayed === undefined ? "" : `, ${replayed.toLocaleString("en")} commands replayed`;
      return `restart ${(ms / 1_000).toFixed(2)} s after ${after}${rate}`;
    }),
    ...result.pages.map(
      ({ question, p50, worst }) => `page    ${p50.toFixed(2)} ms (worst ${worst.toFixed(2)}) ${question}`,
    ),
  ].join("\n");
}
