// Which chunk files the objects of a running cloud rest on, and whether each of them is there three times, byte-equal.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readClusterFile } from "../../chunkd/protocol/cluster-file.ts";
import { connectMaster } from "../../masterd/client/client.ts";
import { systemClock } from "../../std/clock.ts";
import { silentLog } from "../../std/log.ts";
import { systemNet } from "../../std/net.ts";
import { systemRandom } from "../../std/random.ts";
import { hashFile } from "./replicas.ts";
import type { Skerry } from "./skerry.ts";

const REPLICAS = 3;

/** A line for each chunk of an object in `bucket` that lacks a replica or has different ones; empty when all is well. */
export async function liveChunkProblems(
  cloud: Skerry,
  bucket: string,
  keys: readonly string[],
  chunkDirectories: readonly string[],
): Promise<string[]> {
  const handles = await liveHandles(cloud, bucket, keys);
  const problems: string[] = [];
  for (const handle of handles) {
    const name = `${handle.toString(16).padStart(16, "0")}.chunk`;
    const paths = chunkDirectories.map((directory) => join(directory, "chunks", name)).filter(existsSync);
    if (paths.length !== REPLICAS) {
      problems.push(`${name} is there ${paths.length} times`);
      continue;
    }
    const hashes = new Set(await Promise.all(paths.map(hashFile)));
    if (hashes.size !== 1) problems.push(`${name} differs`);
  }
  return problems;
}

async function liveHandles(cloud: Skerry, bucket: string, keys: readonly string[]): Promise<Set<number>> {
  const env = { clock: systemClock, net: systemNet, random: systemRandom, log: silentLog };
  const secrets = await readClusterFile(join(cloud.directory, "cluster.json"));
  const master = connectMaster(env, { address: await masterAddress(cloud), secrets, id: "audit" });
  try {
    const handles = new Set<number>();
    for (const key of keys) {
      const { object } = await master.getObject({ bucket, key });
      for (const { handle } of object.extents) handles.add(handle);
    }
    return handles;
  } finally {
    master.close();
  }
}

/** As the supervisor told the gateway. */
async function masterAddress(cloud: Skerry): Promise<string> {
  const edge = (await cloud.roles()).find(({ name }) => name === "edge");
  const words = readFileSync(`/proc/${edge?.pid}/cmdline`, "utf8").split("\0");
  const flag = words.find((word) => word.startsWith("--master="));
  if (!flag) throw new Error("the gateway was not told where the master is");
  return flag.slice("--master=".length);
}
