import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { ChunkReader } from "../../chunkd/client/reader.ts";
import { ChunkWriter } from "../../chunkd/client/writer.ts";
import type { Extent } from "../../chunkd/protocol/record.ts";
import { systemClock } from "../../std/clock.ts";
import { systemDisk } from "../../std/disk.ts";
import { silentLog } from "../../std/log.ts";
import { systemNet } from "../../std/net.ts";
import { systemRandom } from "../../std/random.ts";
import { thisHost } from "../../std/this-host.ts";
import { measureDurableAppends } from "../storage/machine/disk.ts";
import { inParallel, once, readChunks, readWhole, writeChunks } from "./cases.ts";
import { type Child, startChild } from "./child.ts";
import { LeaseDesk } from "./lease-desk.ts";
import { writeCopies } from "./plain-copy.ts";
import { readStream } from "./plain-stream.ts";

const SMALL_SIZE = 4096;
const REPLICAS = 3;
/** What all threads of four processes cost is told a GB of user data. */
const GB = 1e9;

/** The raw values of a case, one a round. Rates are bytes or operations a second. */
export interface CaseValues {
  rates: number[];
  /** Of all processes, a GB of user data; for small operations, an operation. */
  cpuSeconds: number[];
  /** Bytes written between two syncs of a replica, on the average. */
  bytesPerSync: number[];
}

export interface ChunkFigures {
  plainStream: CaseValues;
  readChunks: CaseValues;
  plainCopies: CaseValues;
  writeChunks: CaseValues;
  /** fdatasyncs of 4 KiB appends, one after another. */
  serialSyncs: CaseValues;
  writeSmall: CaseValues;
  readSmall: CaseValues;
  /** The same by a process that may read the chunk files in place. */
  readSmallHere: CaseValues;
  readChunksHere: CaseValues;
}

export interface ChunkShape {
  rounds: number;
  seconds: number;
  writers: number;
  chunkBytes: number;
  /** On the disk that counts; must exist, and may be left full of chunks. */
  directory: string;
}

class Meter {
  constructor(private readonly children: readonly Child[]) {}

  /** Runs one case and adds what it took, in all processes, to `values`. */
  async take(values: CaseValues, run: () => Promise<number>, per: number): Promise<void> {
    const before = await this.reading();
    const startedAt = performance.now();
    const rate = await run();
    const amount = (rate * (performance.now() - startedAt)) / 1000;
    const after = await this.reading();
    values.rates.push(rate);
    values.cpuSeconds.push((after.cpuSeconds - before.cpuSeconds) / (amount / per));
    const syncs = after.count - before.count;
    values.bytesPerSync.push(syncs === 0 ? 0 : (after.bytes - before.bytes) / syncs);
  }

  private async reading() {
    const usages = await Promise.all(this.children.map((child) => child.usage()));
    const { user, system } = process.cpuUsage();
    const sum = { cpuSeconds: (user + system) / 1e6, count: 0, bytes: 0 };
    for (const { cpuSeconds, syncs } of usages) {
      sum.cpuSeconds += cpuSeconds;
      sum.count += syncs.count;
      sum.bytes += syncs.bytes;
    }
    return sum;
  }
}

/** Runs every case `rounds` times, those that are compared next to each other. */
export async function measureChunks(shape: ChunkShape): Promise<ChunkFigures> {
  const children: Child[] = [];
  const start = async (role: Parameters<typeof startChild>[0]): Promise<Child> => {
    const child = await startChild(role);
    children.push(child);
    return child;
  };
  const { figures, values } = emptyFigures();
  try {
    const plain = await startPlain(shape.directory, start);
    const { desk, writer, reader, here } = await startServers(shape.directory, start);
    const meter = new Meter(children);
    const { seconds, chunkBytes, writers } = shape;
    const small = Buffer.alloc(SMALL_SIZE, 1);
    const writeOne = () => writer.write(once(small), SMALL_SIZE);
    let written: Extent[] = (await writeChunks(writer, chunkBytes, 0.001)).extents;
    const smallExtents = await Promise.all(Array.from({ length: writers }, writeOne));
    for (let round = 0; round < shape.rounds; round++) {
      await meter.take(values("plainStream"), () => readStream(plain.stream.address, seconds), GB);
      await meter.take(values("readChunks"), () => readChunks(reader, desk, written, seconds), GB);
      await meter.take(
        values("plainCopies"),
        () => writeCopies(plain.first.address, chunkBytes, seconds),
        GB,
      );
      const writing = async () => {
        const { rate, extents } = await writeChunks(writer, chunkBytes, seconds);
        written = extents;
        return rate;
      };
      await meter.take(values("writeChunks"), writing, GB);
      await meter.take(values("serialSyncs"), () => measureDurableAppends(shape.directory, seconds), 1);
      await meter.take(values("writeSmall"), () => inParallel(writers, seconds, writeOne), 1);
      let next = 0;
      const readOne = () => readWhole(reader, desk, smallExtents[next++ % smallExtents.length]!);
      await meter.take(values("readSmall"), () => inParallel(writers, seconds, readOne), 1);
      const readOneHere = () => readWhole(here, desk, smallExtents[next++ % smallExtents.length]!);
      await meter.take(values("readSmallHere"), () => inParallel(writers, seconds, readOneHere), 1);
      await meter.take(values("readChunksHere"), () => readChunks(here, desk, written, seconds), GB);
    }
    await writer.close();
    await reader.close();
    await here.close();
    return figures;
  } finally {
    await Promise.all(children.map((child) => child.stop()));
  }
}

function emptyFigures() {
  const empty = (): CaseValues => ({ rates: [], cpuSeconds: [], bytesPerSync: [] });
  const figures: ChunkFigures = {
    plainStream: empty(),
    readChunks: empty(),
    plainCopies: empty(),
    writeChunks: empty(),
    serialSyncs: empty(),
    writeSmall: empty(),
    readSmall: empty(),
    readSmallHere: empty(),
    readChunksHere: empty(),
  };
  return { figures, values: (name: keyof ChunkFigures) => figures[name] };
}

type Start = (role: Parameters<typeof startChild>[0]) => Promise<Child>;

/** The plain program: a stream, and three copies of which the first passes on to the others. */
async function startPlain(directory: string, start: Start) {
  const stream = await start({ kind: "stream" });
  const downstream: string[] = [];
  for (let i = REPLICAS - 1; i >= 0; i--) {
    const own = join(directory, `plain-${i}`);
    await mkdir(own);
    const targets = i === 0 ? downstream : [];
    const copy = await start({ kind: "copy", directory: own, downstream: targets });
    if (i === 0) return { stream, first: copy };
    downstream.push(copy.address);
  }
  throw new RangeError("there is no first copy");
}

async function startServers(directory: string, start: Start) {
  const secrets = {
    clusterId: systemRandom.bytes(16).toString("hex"),
    clusterSecret: systemRandom.bytes(32).toString("hex"),
    controlSecret: systemRandom.bytes(32).toString("hex"),
  };
  const host = await thisHost(systemDisk);
  const servers = await Promise.all(
    Array.from({ length: REPLICAS }, async (_, i) => {
      const id = `c${i}`;
      const listen = "127.0.0.1:0";
      const child = await start({
        kind: "chunkserver",
        id,
        directory: join(directory, id),
        listen,
        host,
        secrets,
      });
      return { id, address: child.address, incarnation: child.incarnation };
    }),
  );
  const desk = new LeaseDesk(secrets, servers);
  const env = { clock: systemClock, net: systemNet, random: systemRandom, log: silentLog };
  const local = host === undefined ? undefined : { host, disk: systemDisk };
  return {
    desk,
    here: new ChunkReader(env, secrets, desk, { id: "bench-reader-here", local }),
    writer: new ChunkWriter(env, secrets, desk, { id: "bench-writer" }),
    reader: new ChunkReader(env, secrets, desk, { id: "bench-reader" }),
  };
}
