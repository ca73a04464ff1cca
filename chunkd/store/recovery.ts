// What a chunkserver finds in its directory at start (chunkd/FORMAT.md, "What is done with damage").
import type { Clock } from "../../std/clock.ts";
import type { Disk, DiskFile } from "../../std/disk.ts";
import type { Log } from "../../std/log.ts";
import {
  CHUNK_HEADER_SIZE,
  chunkHeaderInvalid,
  decodeRecordHead,
  recordSize,
  SEAL_SIZE,
} from "../protocol/record.ts";
import { type StoredChunk, storedChunk, type Unreadable, unreadableChunk } from "./chunk.ts";
import { type DiskHealth, isBusy } from "./disk-health.ts";
import { systemCode } from "./errors.ts";
import { type FileKind, Findings } from "./findings.ts";
import { isCopyName, isKeptName, parseChunkName } from "./names.ts";
import { lastRecordBehind, walkRecords } from "./record-walk.ts";

/** Chunk files examined at once: each may hold a window of 128 KiB. */
const EXAMINED_AT_ONCE = 16;

export interface RecoveryEnvironment {
  clock: Clock;
  disk: Disk;
  health: DiskHealth;
  log: Log;
  clusterId: string;
  /** The directory of the chunk files. */
  directory: string;
}

export interface Recovered {
  chunks: Map<number, StoredChunk>;
  /** Replicas that the master must be told are bad, and why. */
  damaged: Map<number, "inside" | "behind">;
}

/** A file that looks like the chunk's. */
interface Candidate {
  path: string;
  file: DiskFile;
  handle: number;
  size: number;
  hasGoodHeader: boolean;
}

const FOREIGN: Record<"handle" | "cluster" | "format", FileKind> = {
  handle: "foreignHandle",
  cluster: "foreignCluster",
  format: "newerFormat",
};

/**
 * Examines every file; removes unfinished copies and creations, and nothing else. Rejects when the process has no
 * descriptor or memory to spare: that says nothing about the files.
 */
export function recoverChunks(env: RecoveryEnvironment): Promise<Recovered> {
  return new Recovery(env).run();
}

class Recovery {
  private readonly found: Recovered = { chunks: new Map(), damaged: new Map() };
  private readonly findings: Findings;

  constructor(private readonly env: RecoveryEnvironment) {
    this.findings = new Findings(env.log);
  }

  async run(): Promise<Recovered> {
    const { clock, disk, directory } = this.env;
    const since = clock.monotonic();
    const names = (await disk.list(directory)).values();
    const worker = async (): Promise<void> => {
      for (const name of names) await this.examineName(name);
    };
    await Promise.all(Array.from({ length: EXAMINED_AT_ONCE }, worker));
    await this.settleNames();
    this.findings.report(directory, clock.monotonic() - since);
    return this.found;
  }

  private async examineName(name: string): Promise<void> {
    const path = `${this.env.directory}/${name}`;
    const handle = parseChunkName(name);
    if (handle !== undefined) {
      const chunk = await this.examineFile(path, handle);
      if (chunk) this.found.chunks.set(handle, chunk);
      if (chunk?.unreadable) this.found.damaged.set(handle, "inside");
    } else if (isCopyName(name)) {
      this.findings.add("unfinishedCopy", path);
      await this.removeFile(path);
    } else {
      this.findings.add(isKeptName(name) ? "keptAside" : "notAChunk", path);
    }
  }

  private async examineFile(path: string, handle: number): Promise<StoredChunk | undefined> {
    const { disk, health } = this.env;
    try {
      const file = await disk.open(path, "read");
      try {
        return await this.examine(path, file, handle);
      } finally {
        await file.close();
      }
    } catch (error) {
      const code = systemCode(error);
      if (isBusy(code)) throw error;
      if (code === "ENOENT") return undefined;
      if (code === "EISDIR") return this.foreign("directory", "notAChunk", path, handle);
      if (code !== undefined) health.readFailed(handle, code);
      this.findings.add("unreadable", path, { error: (error as Error).message });
      return unreadableChunk(handle, "read");
    }
  }

  private foreign(why: Unreadable, kind: FileKind, path: string, handle: number): StoredChunk {
    this.findings.add(kind, path);
    return unreadableChunk(handle, why);
  }

  private async examine(path: string, file: DiskFile, handle: number): Promise<StoredChunk | undefined> {
    const size = await file.size();
    const header = await readAt(file, 0, CHUNK_HEADER_SIZE);
    const invalid = chunkHeaderInvalid(header, handle, this.env.clusterId);
    const candidate = { path, file, handle, size, hasGoodHeader: invalid === null };
    if (invalid === null) return await this.examineRecords(candidate);
    if (invalid === "handle" || invalid === "cluster" || invalid === "format") {
      return this.foreign(invalid, FOREIGN[invalid], path, handle);
    }
    if (size < CHUNK_HEADER_SIZE + recordSize(1)) {
      this.findings.add("unfinishedCreation", path);
      await this.removeFile(path);
      return undefined;
    }
    this.findings.add("damagedHeader", path);
    const chunk = await this.examineRecords(candidate);
    const hasRecords = chunk.sealed || chunk.length > CHUNK_HEADER_SIZE || chunk.salvaged > 0;
    if (!hasRecords) return unreadableChunk(handle, "header");
    this.found.damaged.set(handle, "inside");
    return chunk;
  }

  private async examineRecords(candidate: Candidate): Promise<StoredChunk> {
    const { path, file, handle, size, hasGoodHeader } = candidate;
    const sealAt = size - SEAL_SIZE;
    if (sealAt >= CHUNK_HEADER_SIZE) {
      const seal = decodeRecordHead(await readAt(file, sealAt, SEAL_SIZE), handle, sealAt);
      if (typeof seal !== "string" && seal.kind === "seal") {
        if (hasGoodHeader) this.findings.add("sealed", path);
        return storedChunk(handle, seal.version, sealAt, true);
      }
    }
    const { length, version } = await walkRecords(file, handle, size, { payloads: true });
    const chunk = storedChunk(handle, version, length, false);
    if (length < size) await this.examineTail(chunk, candidate);
    else if (hasGoodHeader) this.findings.add("unsealed", path);
    await this.settle(path);
    return chunk;
  }

  /** Nothing is cut: it may be what another replica lacks. */
  private async examineTail(chunk: StoredChunk, { path, file, handle, size }: Candidate): Promise<void> {
    const { length } = chunk;
    chunk.tail = size;
    chunk.salvaged = await lastRecordBehind(file, handle, length, size);
    const detail = { length, bytes: size - length };
    if (chunk.salvaged > 0) {
      this.findings.add("holed", path, { ...detail, recordsUpTo: chunk.salvaged });
      this.found.damaged.set(handle, "behind");
    } else {
      this.findings.add("tornTail", path, detail);
    }
  }

  /**
   * What was found may be in the page cache only, and is about to count as durable. A disk that refuses this is
   * quarantined; its chunks are still read.
   */
  private async settle(path: string): Promise<void> {
    const { disk, health } = this.env;
    if (health.failed) return;
    try {
      const file = await disk.open(path, "write");
      try {
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      const code = systemCode(error);
      if (isBusy(code)) throw error;
      // Somebody deleted it just now: the first read will tell.
      if (code === "ENOENT") return;
      const answer = health.writeFailed(error);
      if (!health.failed) throw answer;
    }
  }

  /** A killed process may have renamed a copy into its place and not synced that: the name is about to count as durable. */
  private async settleNames(): Promise<void> {
    const { disk, health, directory } = this.env;
    if (health.failed) return;
    try {
      await disk.syncDirectory(directory);
    } catch (error) {
      health.writeFailed(error);
    }
  }

  private async removeFile(path: string): Promise<void> {
    const { disk, health } = this.env;
    if (health.failed) return;
    try {
      await disk.remove(path);
    } catch (error) {
      if (systemCode(error) !== "ENOENT") health.writeFailed(error);
    }
  }
}

async function readAt(file: DiskFile, position: number, size: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(size);
  return bytes.subarray(0, await file.read(bytes, position));
}
