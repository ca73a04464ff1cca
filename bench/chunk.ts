// How much of what sockets and disks can do is left when chunkservers are in between? `skerry bench chunk --help`.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeSettings, flag, text, whole } from "../std/config.ts";
import { measureChunks } from "./chunk/measure.ts";
import { reportLines } from "./chunk/report.ts";
import { begin } from "./run/begin.ts";

const SETTINGS = {
  rounds: whole("how often each case runs; medians are shown", "N", 1, 99, 3),
  seconds: whole("length of each case in each round, s", "N", 1, 600, 2),
  writers: whole("writers of 4 KiB records at once", "N", 1, 1024, 32),
  scratch: text("directory for the chunks, on the disk that counts", "DIR", tmpdir()),
  json: flag("one JSON document with all raw values instead of the table"),
  smoke: flag("tiny sizes and times: does it run at all?"),
};

const SMOKE = { rounds: 1, seconds: 0.1, chunkBytes: 2 << 20 };
/** An object that fills one chunk. */
const CHUNK_BYTES = 63 << 20;

const HELP = `Usage: skerry bench chunk [--flags]

Reads and writes chunks through three chunkservers, each a process of its own, beside a plain program that moves as many
bytes over as many sockets and files without checksums, places or quorums, in the same run. MB are 10^6 bytes.

${describeSettings(SETTINGS)}`;

/** Runs the load test and prints its table or JSON. Throws `UsageError` for wrong flags. */
export async function main(
  argv: string[],
  environment: Record<string, string | undefined> = process.env,
): Promise<void> {
  const begun = begin(SETTINGS, HELP, argv, environment);
  if (!begun) return;
  const { config, about } = begun;
  const directory = await mkdtemp(join(config.scratch, "skerry-bench-chunk-"));
  try {
    const shape = config.smoke ? SMOKE : { ...config, chunkBytes: CHUNK_BYTES };
    const results = await measureChunks({ ...shape, writers: config.writers, directory });
    if (config.json) {
      process.stdout.write(`${JSON.stringify({ benchmark: "chunk", ...about, ...results }, null, 2)}\n`);
    } else process.stdout.write(`${reportLines(about, results).join("\n")}\n`);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
