// How fast is an S3 endpoint, beside what the machine itself can do? `skerry bench storage --help`.
import { tmpdir } from "node:os";
import {
  type Config,
  describeSettings,
  flag,
  optionalText,
  type Setting,
  text,
  UsageError,
  whole,
} from "../std/config.ts";
import { systemRandom } from "../std/random.ts";
import { begin, type Circumstances } from "./run/begin.ts";
import { OPS, type Op } from "./storage/cases.ts";
import { type MachineFigures, measureMachine } from "./storage/machine/figures.ts";
import type { PeakMemory } from "./storage/peak-memory.ts";
import { type Ratio, ratioLine, ratiosOf } from "./storage/ratios.ts";
import { type CaseResult, caseJson, machineLine, table, warnings } from "./storage/report.ts";
import { runCases } from "./storage/run.ts";
import type { PayloadMode } from "./storage/s3-client.ts";
import { parseSize } from "./storage/sizes.ts";
import { givenTarget, ownTarget } from "./storage/target.ts";

function listOf<T>(help: string, fallback: string, parseOne: (word: string) => T): Setting<T[]> {
  return {
    help,
    placeholder: "LIST",
    fallback,
    parse: (value) => value.split(",").map((word) => parseOne(word.trim())),
  };
}

function opOf(word: string): Op {
  const op = OPS.find((known) => known === word);
  if (!op) throw new UsageError(`"${word}" is none of ${OPS.join(", ")}`);
  return op;
}

export const SETTINGS = {
  endpoint: optionalText("S3 endpoint; without it, a throw-away Skerry is started", "URL"),
  accessKey: optionalText("access key id, with --endpoint", "ID"),
  secretKey: optionalText("secret access key, with --endpoint", "SECRET"),
  region: text("region to sign for", "NAME", "us-east-1"),
  ca: optionalText("PEM file of the CA, for an https endpoint", "FILE"),
  bucket: optionalText(
    "bucket to work in, under a prefix of its own; default: a new one, removed after",
    "NAME",
  ),
  sizes: listOf("object sizes, in order", "4KiB,1MiB,64MiB", parseSize),
  ops: listOf(`operations: ${OPS.join(", ")}`, OPS.join(","), opOf),
  concurrency: whole("workers, each with one request in flight", "N", 1, 1024, 16),
  seconds: whole("length of each case, s", "N", 1, 3600, 10),
  payload: {
    help: "unsigned (UNSIGNED-PAYLOAD) or signed (SHA-256 of each body, made by this client)",
    placeholder: "MODE",
    fallback: "unsigned",
    parse(value: string): PayloadMode {
      if (value === "unsigned" || value === "signed") return value;
      throw new UsageError("must be unsigned or signed");
    },
  },
  scratch: text("directory for the disk figures and the throw-away data", "DIR", tmpdir()),
  json: flag("one JSON document with all raw values instead of the table"),
  smoke: flag("tiny sizes and times: does it run at all?"),
};

/** The person ended the run before its end. */
class InterruptedError extends Error {
  override name = "InterruptedError";
}

type StorageConfig = Config<typeof SETTINGS>;

const SMOKE = { sizes: [4 << 10, 256 << 10], concurrency: 2, seconds: 0.2 };
const MACHINE_SECONDS = 2;

const HELP = `Usage: skerry bench storage [--flags]

Measures an S3 endpoint in closed loops and, in the same run, the machine itself: loopback, disk, MD5.
mixed is 70 % get, 25 % put, 5 % delete and list in turns. MB are 10^6 bytes.

${describeSettings(SETTINGS)}`;

/** Runs the load test and prints its table or JSON. Throws `UsageError` for wrong flags. */
export async function main(
  argv: string[],
  environment: Record<string, string | undefined> = process.env,
): Promise<void> {
  const begun = begin(SETTINGS, HELP, argv, environment);
  if (!begun) return;
  const { config, about } = begun;
  const given = await givenTarget(config);
  const interrupted = onInterrupt();
  const machine = await measureMachine(
    config.scratch,
    config.smoke ? SMOKE.seconds : MACHINE_SECONDS,
    config.smoke,
  );
  const { target, url, peakMemory, stop } = given ?? (await ownTarget(config));
  try {
    const shape = config.smoke ? SMOKE : config;
    const { results, bare, cleanup } = await runCases({
      target,
      bucket: config.bucket,
      runId: systemRandom.bytes(4).toString("hex"),
      sizes: shape.sizes,
      ops: config.ops,
      workers: shape.concurrency,
      seconds: shape.seconds,
      signal: interrupted.signal,
      bare: true,
      progress: (what) => void process.stderr.write(`bench storage: ${what}\n`),
    });
    const left = Object.entries(cleanup.failures).map(([code, count]) => `${count} x ${code}`);
    if (left.length > 0)
      process.stderr.write(`bench storage: not all could be deleted: ${left.join(", ")}\n`);
    if (results.length > 0) {
      const ratios = ratiosOf(results, machine, bare);
      print(config, { about, url, machine, results, ratios, memory: peakMemory(), shape });
    }
    if (interrupted.signal.aborted) throw new InterruptedError("interrupted; what it had made is deleted");
  } finally {
    await stop();
    interrupted.done();
  }
}

/** Ctrl-C once: stop measuring and clean up. Twice: leave at once. */
function onInterrupt(): { signal: AbortSignal; done(): void } {
  const abort = new AbortController();
  const interrupt = (): void => {
    if (abort.signal.aborted) process.exit(130);
    abort.abort();
  };
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  return {
    signal: abort.signal,
    done: () => void process.off("SIGINT", interrupt).off("SIGTERM", interrupt),
  };
}

interface Outcome {
  about: Circumstances;
  url: string;
  machine: MachineFigures;
  results: CaseResult[];
  ratios: Ratio[];
  memory: PeakMemory[];
  shape: { concurrency: number; seconds: number };
}

function print(config: StorageConfig, outcome: Outcome): void {
  const { about, url, machine, results, ratios, memory, shape } = outcome;
  const { revision, bun, cores, loadAverageAtStart } = about;
  const found = warnings(results, loadAverageAtStart, cores);
  if (config.json) {
    const document = {
      benchmark: "storage",
      revision,
      bun,
      endpoint: url,
      payload: config.payload,
      concurrency: shape.concurrency,
      seconds: shape.seconds,
      cores,
      loadAverageAtStart,
      clientRssMaxBytes: process.resourceUsage().maxRSS * 1024,
      machine,
      warnings: found,
      ratios,
      peakMemory: memory,
      cases: results.map(caseJson),
    };
    process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
    return;
  }
  const lines = [
    `endpoint  ${url}, payload ${config.payload}, ${shape.concurrency} workers, ${shape.seconds} s a case`,
    `revision  ${revision}, Bun ${bun}, ${cores} cores, load ${loadAverageAtStart.toFixed(2)} at the start`,
    `machine   ${machineLine(machine)}`,
    "",
    table(results, machine),
    "",
    ...ratios.map(ratioLine),
    ...memoryLine(memory),
    ...found.map((warning) => `warning: ${warning}`),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

function memoryLine(memory: readonly PeakMemory[]): string[] {
  if (memory.length === 0) return [];
  const roles = memory.map(({ role, peakBytes }) => `${role} ${Math.round(peakBytes / (1 << 20))}`);
  return [`peak memory, MiB   ${roles.join(", ")}; goal 400 at most`];
}
