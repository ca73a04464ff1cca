// The masters that are measured, and chunkservers that only register: metadata is all that counts here.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { dial } from "../../chunkd/protocol/connection.ts";
import type { ClusterSecrets } from "../../chunkd/protocol/handshake.ts";
import { DATA_LIMITS, MasterOp } from "../../chunkd/protocol/messages.ts";
import { systemClock } from "../../std/clock.ts";
import { type Address, systemNet } from "../../std/net.ts";
import { systemRandom } from "../../std/random.ts";

const MAIN = join(import.meta.dir, "../../masterd/main.ts");

export function newSecrets(): ClusterSecrets {
  const hex = (size: number): string => systemRandom.bytes(size).toString("hex");
  return { clusterId: hex(16), clusterSecret: hex(16), controlSecret: hex(16) };
}

/** Runs with a directory that is removed afterwards. */
export async function inScratch<T>(scratch: string, run: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(scratch, "skerry-bench-meta-"));
  try {
    return await run(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

export interface MasterProcess {
  address: Address;
  pid: number;
  /** From the start of the process to its ready line, ms. */
  startMs: number;
  /** Ends it with `signal` and waits for that. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
}

/** A masterd on `directory`/masterd in a process of its own. */
export async function spawnMaster(directory: string, secrets: ClusterSecrets): Promise<MasterProcess> {
  const cluster = join(directory, "cluster.json");
  await writeFile(cluster, JSON.stringify(secrets), { mode: 0o600 });
  const flags = ["--dir", join(directory, "masterd"), "--cluster", cluster, "--grpc-listen", "127.0.0.1:0"];
  const code = `await (await import(${JSON.stringify(MAIN)})).main(process.argv.slice(1), {}); process.exit(0);`;
  const log = join(directory, "masterd.log");
  const command = [process.execPath, "-e", code, "--", ...flags];
  const startedMs = performance.now();
  const child = Bun.spawn(command, { stdout: "pipe", stderr: Bun.file(log) });
  let line = "";
  for await (const bytes of child.stdout) {
    line += Buffer.from(bytes).toString();
    if (line.includes("\n")) break;
  }
  if (!line.includes("\n")) throw new Error(`masterd did not start:\n${await Bun.file(log).text()}`);
  const startMs = performance.now() - startedMs;
  const end = async (signal: "SIGTERM" | "SIGKILL"): Promise<void> => {
    child.kill(signal);
    await child.exited;
  };
  return { address: (JSON.parse(line) as { address: Address }).address, pid: child.pid, startMs, end };
}

/** Three chunkservers that only register. */
export function joinServers(master: Address, secrets: ClusterSecrets) {
  const join = async (id: string) => {
    const env = { clock: systemClock, net: systemNet, random: systemRandom };
    const self = { role: "chunkserver", id } as const;
    const connection = await dial(env, { address: master, role: "master" }, secrets, self, {
      limits: DATA_LIMITS,
    });
    const bytes = { totalBytes: 1e12, freeBytes: 1e12 };
    await connection.call(MasterOp.register, { id, address: "127.0.0.1:1", incarnation: 1, ...bytes });
    await connection.call(MasterOp.report, { chunks: [], last: true });
    const beat = setInterval(() => {
      connection.call(MasterOp.heartbeat, { ...bytes, damaged: [], diskFailed: false }).catch(() => {});
    }, 1_000);
    connection.onClose(() => clearInterval(beat));
    return connection;
  };
  return Promise.all(["s1", "s2", "s3"].map(join));
}
