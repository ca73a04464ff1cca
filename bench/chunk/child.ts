// A process of the run's own: a chunkserver, or one end of the plain program that it is compared with.
import { fileURLToPath } from "node:url";
import type { ClusterSecrets } from "../../chunkd/protocol/handshake.ts";
import { startChunkserver } from "../../chunkd/server/chunkserver.ts";
import { systemClock } from "../../std/clock.ts";
import { silentLog } from "../../std/log.ts";
import { systemNet } from "../../std/net.ts";
import { systemRandom } from "../../std/random.ts";
import { CountingDisk, type SyncCounts } from "./counting-disk.ts";
import { serveCopies } from "./plain-copy.ts";
import { serveStream } from "./plain-stream.ts";

export type ChildRole =
  | {
      kind: "chunkserver";
      id: string;
      directory: string;
      listen: string;
      host?: string;
      secrets: ClusterSecrets;
    }
  | { kind: "stream" }
  | { kind: "copy"; directory: string; downstream: string[] };

export interface Usage {
  cpuSeconds: number;
  syncs: SyncCounts;
}

/** Where a child listens; a chunkserver also tells which start of it this is. */
interface Ready {
  address: string;
  incarnation: number;
}

export interface Child extends Ready {
  /** Since its start. */
  usage(): Promise<Usage>;
  stop(): Promise<void>;
}

type Message = Ready | { usage: Usage };

/** Starts a process in `role`; resolves once it listens. */
export async function startChild(role: ChildRole): Promise<Child> {
  let waiting = Promise.withResolvers<Message>();
  const child = Bun.spawn([process.execPath, fileURLToPath(import.meta.url), JSON.stringify(role)], {
    stdio: ["ignore", "inherit", "inherit"],
    ipc: (message: Message) => waiting.resolve(message),
  });
  const ended = child.exited.then((code) => {
    throw new Error(`the ${role.kind} process ended with code ${code}`);
  });
  ended.catch(() => {});
  const next = (): Promise<Message> => Promise.race([waiting.promise, ended]);
  const ready = await next();
  if (!("address" in ready)) throw new TypeError("a child tells its address first");
  return {
    ...ready,
    async usage() {
      waiting = Promise.withResolvers<Message>();
      child.send("usage");
      const answer = await next();
      if (!("usage" in answer)) throw new TypeError("a child answers with its usage");
      return answer.usage;
    },
    async stop() {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}

async function run(role: ChildRole): Promise<void> {
  const disk = new CountingDisk();
  const tell = (message: Message): void => void process.send?.(message);
  process.on("disconnect", () => process.exit(0));
  process.on("message", () => {
    const { user, system } = process.cpuUsage();
    tell({ usage: { cpuSeconds: (user + system) / 1e6, syncs: { ...disk.counts } } });
  });
  const { address, incarnation } = await listen(role, disk);
  tell({ address, incarnation });
}

async function listen(role: ChildRole, disk: CountingDisk): Promise<Ready> {
  if (role.kind === "stream") return { address: await serveStream(), incarnation: 0 };
  if (role.kind === "copy") {
    return { address: await serveCopies(role.directory, role.downstream, disk), incarnation: 0 };
  }
  const env = { clock: systemClock, net: systemNet, random: systemRandom, log: silentLog, disk };
  const { id, directory, listen: address, host, secrets } = role;
  const local = host === undefined ? undefined : { host, directory };
  return startChunkserver(env, { id, directory, listen: address, local, secrets });
}

if (import.meta.main) await run(JSON.parse(process.argv[2]!) as ChildRole);
