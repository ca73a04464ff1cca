import type { Clock } from "../../std/clock.ts";
import { UsageError } from "../../std/config.ts";
import type { Disk } from "../../std/disk.ts";
import type { Log } from "../../std/log.ts";
import type { Metrics } from "../../std/metrics.ts";
import type { Address, Net } from "../../std/net.ts";
import type { Random } from "../../std/random.ts";
import type { ClusterSecrets } from "../protocol/handshake.ts";
import { ChunkOp, DATA_LIMITS, INCARNATION_BYTES } from "../protocol/messages.ts";
import { serve } from "../protocol/serve.ts";
import { WireStats } from "../protocol/wire-stats.ts";
import { ChunkReader } from "../store/chunk-reader.ts";
import { openChunkStore } from "../store/open-store.ts";
import { Appends } from "./appends.ts";
import { Compactions } from "./compactions.ts";
import { Copies } from "./copies.ts";
import { type LocalPlace, listenLocally } from "./local-listener.ts";
import { MasterClock } from "./master-clock.ts";
import { MasterLink } from "./master-link.ts";
import { MasterMemory } from "./master-memory.ts";
import { describeChunkserver } from "./metrics.ts";
import { IN_PIECES, operationHandler } from "./operations.ts";
import { Pace } from "./pace.ts";
import { PeerLinks } from "./peer-links.ts";
import { Scrubber, type ScrubOptions } from "./scrubber.ts";

const DEFAULT_SCRUB: ScrubOptions = { bytesPerSecond: 10 << 20, periodMs: 14 * 24 * 3_600_000 };
const DEFAULT_COPY_BYTES_PER_SECOND = 100 << 20;

export interface ChunkserverEnvironment {
  clock: Clock;
  disk: Disk;
  net: Net;
  random: Random;
  log: Log;
}

export interface ChunkserverOptions {
  /** Made when it is not there. */
  directory: string;
  /** Absent: the id that the directory has, or a random one for a new directory. */
  id?: string;
  listen: Address;
  /** Where other parts reach it; absent: the address it listens on. */
  advertise?: Address;
  /** Absent: no master to register with, and this machine's clock stands for the master's. */
  master?: Address;
  /** Absent: peers on the same machine get nothing that others do not. */
  local?: LocalPlace;
  /** `controlSecret` must be there. */
  secrets: ClusterSecrets;
  /** Absent: 10 MiB/s, a round every 14 days at the latest. */
  scrub?: ScrubOptions;
  /** Of all copies and compactions together; absent: 100 MiB/s, 0: no limit. */
  copyBytesPerSecond?: number;
  /** The master is told of all chunks again so often, ms; absent: 15 minutes. */
  reportMs?: number;
  /** Where the chunkserver describes what it counts. */
  metrics?: Metrics;
}

export interface Chunkserver {
  /** The address it listens on, with the real port. */
  address: Address;
  id: string;
  /** Of this start: leases that the master gives it name this number. */
  incarnation: number;
  /** Resolves when the master has taken its registration; at once without a master. */
  registered: Promise<void>;
  /** Resolves when the master first refuses it as removed, with what to do; it registers once that is taken back. */
  removed: Promise<string>;
  /** Why it cannot serve writes and reads alike, a sentence each; empty when it can. */
  problems(): string[];
  /** Stops serving, ends the writes under way and gives the directory up. */
  close(): Promise<void>;
}

/**
 * Recovers the directory's chunks and serves them; resolves when it listens.
 * Rejects with DirectoryError when the directory must not be used, UsageError when `secrets` lack the control secret,
 * or Node's error when the port is taken.
 */
export async function startChunkserver(
  env: ChunkserverEnvironment,
  options: ChunkserverOptions,
): Promise<Chunkserver> {
  const secrets = withControlSecret(options.secrets);
  const store = await openChunkStore(env, {
    directory: options.directory,
    clusterId: secrets.clusterId,
    serverId: options.id,
    newServerId: () => `c-${env.random.bytes(8).toString("hex")}`,
  });
  const links = new PeerLinks(env, secrets, store.serverId, options.local?.host);
  const masterClock = new MasterClock(env.clock);
  if (options.master === undefined) masterClock.learn(env.clock.now(), env.clock.monotonic());
  const incarnation = env.random.bytes(INCARNATION_BYTES).readUIntLE(0, INCARNATION_BYTES);
  const self = { id: store.serverId, incarnation };
  const appends = new Appends({ ...env, self, store, links, masterClock, secrets });
  const reader = new ChunkReader(store);
  const { clusterId } = secrets;
  const pace = new Pace(env.clock, options.copyBytesPerSecond ?? DEFAULT_COPY_BYTES_PER_SECOND);
  const { directory } = options;
  const scrubber = await Scrubber.start({ ...env, store, reader, directory }, options.scrub ?? DEFAULT_SCRUB);
  const copies = new Copies({ store, reader, links, clusterId, pace });
  const compactions = new Compactions({ store, reader, clusterId, pace });
  const memory = await MasterMemory.load({ ...env, store, directory });
  const handler = operationHandler({ store, reader, appends, copies, compactions, scrubber, memory });
  const stats = new WireStats(ChunkOp);
  try {
    const serving = { limits: DATA_LIMITS, inPieces: IN_PIECES, handler, stats };
    const local = options.local && (await listenLocally(env, options.local, secrets, serving));
    const listener = await serve(env, options.listen, secrets, { ...serving, local: local?.access });
    const address = options.advertise ?? listener.address;
    const master =
      options.master === undefined
        ? undefined
        : new MasterLink(
            { ...env, store, scrubber, masterClock, memory, handler, stats },
            { master: options.master, address, incarnation, secrets, reportMs: options.reportMs },
          );
    if (options.metrics) describeChunkserver(options.metrics, { store, stats, scrubber, master });
    return {
      address: listener.address,
      id: store.serverId,
      incarnation,
      problems: () => [
        ...(store.health.failed ? ["the disk failed: only reads go on"] : []),
        ...((master?.connected ?? true) ? [] : ["the master is away: nothing can be written"]),
        ...(memory.problem === undefined ? [] : [memory.problem]),
      ],
      registered: master?.registered ?? Promise.resolve(),
      removed: master?.removed ?? new Promise(() => {}),
      async close() {
        master?.close();
        await listener.close();
        await local?.listener?.close();
        appends.close();
        links.close();
        pace.close();
        await scrubber.close();
        await memory.close();
        await store.close();
      },
    };
  } catch (error) {
    await scrubber.close();
    await store.close();
    throw error;
  }
}

function withControlSecret(secrets: ClusterSecrets): ClusterSecrets & { controlSecret: string } {
  const { controlSecret } = secrets;
  if (controlSecret === undefined) {
    throw new UsageError(
      "the cluster file has no controlSecret: give the chunkserver the one that masterd uses",
    );
  }
  return { ...secrets, controlSecret };
}
