import type { ClusterSecrets } from "../../chunkd/protocol/handshake.ts";
import { MasterOp } from "../../chunkd/protocol/messages.ts";
import { serve } from "../../chunkd/protocol/serve.ts";
import { WireStats } from "../../chunkd/protocol/wire-stats.ts";
import type { Clock } from "../../std/clock.ts";
import { UsageError } from "../../std/config.ts";
import type { Disk } from "../../std/disk.ts";
import { Tally } from "../../std/histogram.ts";
import type { Log } from "../../std/log.ts";
import type { Metrics } from "../../std/metrics.ts";
import type { Address, Net } from "../../std/net.ts";
import type { Random } from "../../std/random.ts";
import type { CatalogFiles } from "../catalog/catalog-files.ts";
import { ChunkManager } from "../chunks/chunk-manager.ts";
import { MASTER_SERVER_LIMITS, METHODS } from "../protocol/messages.ts";
import { BackupDesk } from "../store/backup-desk.ts";
import { openStore } from "../store/open-store.ts";
import { frameHandler } from "./frames.ts";
import { serveGrpc } from "./grpc.ts";
import { createMethods, type Methods } from "./methods.ts";
import { describeMaster } from "./metrics.ts";

export interface MasterEnvironment {
  clock: Clock;
  disk: Disk;
  net: Net;
  random: Random;
  log: Log;
  /** Absent: files of the real file system. */
  catalogs?: CatalogFiles;
}

export interface MasterOptions {
  /** Made when it is not there. */
  directory: string;
  /** Where frames are served, to the API and to chunkservers. */
  listen: Address;
  /** Absent: no gRPC. */
  grpcListen?: Address;
  /** `controlSecret` must be there. */
  secrets: ClusterSecrets;
  /** A chunk that no object refers to any more keeps its replicas for so long, ms. */
  deleteGraceMs?: number;
  /** A sealed chunk that lost its last reference is kept for so long after its seal, ms. */
  commitMarginMs?: number;
  /** The same for one that never had a reference, ms. */
  abandonedGraceMs?: number;
  /** Replicas of unknown chunks are kept for so long, ms. */
  orphanGraceMs?: number;
  /** A chunkserver that is silent for longer has lost its replicas, ms. */
  goneMs?: number;
  leaseMs?: number;
  /** How often leases, repairs and garbage are looked after, ms. */
  tickMs?: number;
  /** A master that knows chunkservers answers nothing before one of them has come, for so long at most, ms. */
  recogniseMs?: number;
  /** Bytes that repairs copy in a second, over the whole cluster. */
  repairBytesPerSecond?: number;
  /** Replicas are moved when the used shares of the fullest and the emptiest server are so far apart, 0..1. */
  rebalanceBand?: number;
  rebalanceBytesPerSecond?: number;
  /** A chunk is compacted when so much of it is garbage, as a share (0..1) and in bytes. */
  compactRatio?: number;
  compactBytesMin?: number;
  /** Sweeps for compaction are so far apart at least, ms. */
  compactEveryMs?: number;
  /** A multipart upload without a new part for so long is aborted; 0: never. */
  abandonedUploadDays?: number;
  /** Below this much free space, in bytes, only deletes and reads go on. */
  spaceMin?: number;
  /** A journal segment that has grown to this size is followed by a new one, bytes. */
  segmentSizeMax?: number;
  /** Where the master describes what it counts. */
  metrics?: Metrics;
}

export interface Master {
  address: Address;
  grpcAddress?: Address;
  /** The same methods that are served, without a wire. */
  master: Methods;
  /** Rejects when the store can take no more changes: the process should stop. */
  failed: Promise<never>;
  /** What the journal took since the start; `sizes`: how many batches had up to so many commands. */
  batches(): { batches: number; commands: number; bytes: number; sizes: [upTo: number, count: number][] };
  /** Why it cannot serve, a sentence each; empty when it can. */
  problems(): string[];
  close(): Promise<void>;
}

/** Requests of one connection under way at once: an API process has one connection for all its users. */
const IN_FLIGHT_MAX = 1024;

/**
 * Recovers the store, then serves it. Rejects with {@link MasterError} `NOT_READY` when the directory must not be
 * served, `UsageError` when `secrets` lack the control secret, Node's error when a port is taken.
 */
export async function startMaster(env: MasterEnvironment, options: MasterOptions): Promise<Master> {
  const { directory, secrets } = options;
  const { controlSecret, clusterId } = secrets;
  if (controlSecret === undefined) {
    throw new UsageError(
      "the cluster file has no controlSecret: the master needs it to command chunkservers",
    );
  }
  const store = await openStore(env, { ...options, clusterId });
  const chunks = new ChunkManager({ ...env, store }, { ...options, controlSecret });
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {}); // whoever cares awaits it
  store.onFailure = failed.reject;
  const closers: (() => Promise<void>)[] = [() => store.close(), () => chunks.close()];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const backups = new BackupDesk(env, store, clusterId);
    closers.push(async () => backups.close());
    const master = createMethods({ ...env, store, chunks, backups, clusterId });
    const handler = frameHandler(master, chunks, env.clock);
    const stats = new WireStats({ ...METHODS, ...MasterOp });
    const grpcRefused = new Tally();
    const serving = { limits: MASTER_SERVER_LIMITS, handler, inFlightMax: IN_FLIGHT_MAX, stats };
    const listener = await serve(env, options.listen, secrets, serving);
    closers.push(() => listener.close());
    let grpcAddress: Address | undefined;
    if (options.grpcListen !== undefined) {
      const grpc = await serveGrpc(
        env,
        options.grpcListen,
        { ...secrets, controlSecret },
        { methods: master, chunks, refused: grpcRefused },
      );
      closers.push(() => grpc.close());
      grpcAddress = grpc.address;
    }
    chunks.start();
    env.log.info("serving", { directory, address: listener.address, grpcAddress });
    const status = () => master.status(null);
    if (options.metrics) describeMaster(options.metrics, { wire: stats, grpcRefused, store, status });
    const problems = () => (chunks.amnesia === undefined ? [] : [chunks.amnesia]);
    const batches = () => store.batches();
    const { address } = listener;
    return { address, grpcAddress, master, failed: failed.promise, batches, problems, close };
  } catch (error) {
    await close();
    throw error;
  }
}
