// How many metadata operations does the master do: look-ups, durable commits, listed keys? What do many objects cost it?
// `skerry bench meta --help`.
import { tmpdir } from "node:os";
import { connectMaster } from "../masterd/client/client.ts";
import { startMaster } from "../masterd/server/start.ts";
import { systemClock } from "../std/clock.ts";
import { type Config, describeSettings, flag, text, whole } from "../std/config.ts";
import { systemDisk } from "../std/disk.ts";
import { silentLog } from "../std/log.ts";
import { systemNet } from "../std/net.ts";
import { systemRandom } from "../std/random.ts";
import { emptyMasterCases } from "./meta/cases.ts";
import { type CaseResult, caseTable, residentBytes } from "./meta/loop.ts";
import { inScratch, joinServers, newSecrets, spawnMaster } from "./meta/master.ts";
import { measureScale, type ScaleResult, scaleTable } from "./meta/scale.ts";
import { begin } from "./run/begin.ts";
import { measureDurableAppends } from "./storage/machine/disk.ts";

const OBJECTS_MAX = 100_000_000;

export const SETTINGS = {
  inFlight: whole("operations in flight at once", "N", 1, 1024, 64),
  seconds: whole("length of each case, s", "N", 1, 600, 5),
  objects: whole(
    "first generate so many objects, and show memory and restarts; 0: none",
    "N",
    0,
    OBJECTS_MAX,
    0,
  ),
  scratch: text("directory for the throw-away store: its disk is what commits wait for", "DIR", tmpdir()),
  json: flag("one JSON document instead of the table"),
  smoke: flag("a moment of each case: does it run at all?"),
};

const HELP = `Usage: skerry bench meta [--flags]

Measures a throw-away master twice: called in its own process, and over loopback frames in a process of its own.
A commit is an object of one 4 KiB extent, journalled and synced; a look-up is getObject of a random key. CPU µs is the
master's own for one of them (in its own process: the callers' as well), which other load on the machine does not change.

With --objects it generates that many first (about 600 bytes of disk each while it runs), and tells memory, the time from
a process's start to serving after a clean end, a kill and a power failure, and the time of pages of listings.

${describeSettings(SETTINGS)}`;

const SMOKE_SECONDS = 0.1;
const SMOKE_OBJECTS = 20_000;

type MetaConfig = Config<typeof SETTINGS>;

interface Report {
  cases: CaseResult[];
  /** Of the master in this process. */
  batches: { batches: number; commands: number; bytes: number; sizes: [upTo: number, count: number][] };
  residentBytes: number;
  fdatasyncsPerSecond: number;
}

/** Runs the load test and prints its table or JSON. Throws `UsageError` for wrong flags. */
export async function main(
  argv: string[],
  environment: Record<string, string | undefined> = process.env,
): Promise<void> {
  const begun = begin(SETTINGS, HELP, argv, environment);
  if (!begun) return;
  const { config, about } = begun;
  const seconds = config.smoke ? SMOKE_SECONDS : config.seconds;
  const result = config.objects > 0 ? await scale(config, seconds) : await speed(config, seconds);
  const { inFlight } = config;
  if (config.json) {
    process.stdout.write(
      `${JSON.stringify({ benchmark: "meta", ...about, inFlight, ...result }, null, 2)}\n`,
    );
    return;
  }
  const text =
    "restarts" in result ? `${scaleTable(result)}\n${caseTable(result.cases)}` : speedTable(result);
  process.stdout.write(
    `${text}\n${inFlight} in flight, ${about.cores} cores, load ${about.loadAverageAtStart.toFixed(1)}\n`,
  );
}

function scale({ scratch, objects, smoke, inFlight }: MetaConfig, seconds: number): Promise<ScaleResult> {
  const shape = { objects: smoke ? SMOKE_OBJECTS : objects, seconds, inFlight };
  const say = (line: string): void => void (smoke || process.stderr.write(`${line}\n`));
  return inScratch(scratch, (directory) => measureScale(directory, newSecrets(), shape, say));
}

async function speed(config: MetaConfig, seconds: number): Promise<Report> {
  const fdatasyncsPerSecond = await measureDurableAppends(config.scratch, Math.min(1, seconds));
  const own = await measureInProcess(config, seconds);
  const wire = await measureOverWire(config, seconds);
  return {
    ...own,
    cases: [...own.cases, ...wire.cases],
    residentBytes: wire.residentBytes,
    fdatasyncsPerSecond,
  };
}

function measureInProcess({ scratch, inFlight }: MetaConfig, seconds: number) {
  return inScratch(scratch, async (directory) => {
    const env = {
      clock: systemClock,
      disk: systemDisk,
      net: systemNet,
      random: systemRandom,
      log: silentLog,
    };
    const secrets = newSecrets();
    const master = await startMaster(env, { directory, listen: "127.0.0.1:0", secrets });
    const servers = await joinServers(master.address, secrets);
    try {
      const shape = { where: "in-process", pid: process.pid, workers: inFlight, seconds };
      const cases = await emptyMasterCases(master.master, shape);
      return { cases, batches: master.batches() };
    } finally {
      for (const server of servers) server.close();
      await master.close();
    }
  });
}

function measureOverWire({ scratch, inFlight }: MetaConfig, seconds: number) {
  return inScratch(scratch, async (directory) => {
    const secrets = newSecrets();
    const master = await spawnMaster(directory, secrets);
    const env = { clock: systemClock, net: systemNet, random: systemRandom };
    const client = connectMaster(env, { address: master.address, secrets, id: "bench" });
    const servers = await joinServers(master.address, secrets);
    try {
      const shape = { where: "wire", pid: master.pid, workers: inFlight, seconds };
      const cases = await emptyMasterCases(client, shape);
      return { cases, residentBytes: residentBytes(master.pid).most };
    } finally {
      client.close();
      for (const server of servers) server.close();
      await master.end("SIGTERM");
    }
  });
}

function speedTable({ cases, batches, residentBytes: resident, fdatasyncsPerSecond }: Report): string {
  const commits = cases.find(({ name }) => name === "commit")!;
  const sizes = batches.sizes.map(([upTo, count]) => `${count} of up to ${upTo}`).join(", ");
  return [
    caseTable(cases),
    `batches: ${(batches.commands / Math.max(1, batches.batches)).toFixed(1)} commands each, ${sizes}`,
    `fdatasync of a 4 KiB append: ${Math.round(fdatasyncsPerSecond)}/s alone; commits are ${(commits.perSecond / fdatasyncsPerSecond).toFixed(1)} times that`,
    `memory of the master's process: ${Math.round(resident / 2 ** 20)} MiB at most`,
  ].join("\n");
}
