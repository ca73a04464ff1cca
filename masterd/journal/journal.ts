// The operation log: every command that changed something, in order, on disk before anybody hears of it.
//
// Invariants
//  J1 sequences are without a gap over all segments, and no segment but the last has bytes that are no record
//  J2 one write is under way at a time, and it is one record: a crash can spoil the last record alone
//  J3 after a sync failed nothing is ever appended again (the kernel may have dropped the dirty pages)
import { join } from "node:path";
import { assert } from "../../std/assert.ts";
import type { Disk, DiskFile } from "../../std/disk.ts";
import type { Log } from "../../std/log.ts";
import { DamagedStoreError } from "../store/errors.ts";
import {
  encodeRecord,
  encodeSegmentHeader,
  SEGMENT_HEADER_SIZE,
  scanSegment,
  segmentFirst,
  segmentHeaderInvalid,
  segmentName,
} from "./segment.ts";

/** A segment that has grown to this size is followed by a new one; dropping goes by whole segments. */
export const SEGMENT_SIZE_MAX = 64 << 20;

export interface JournalOptions {
  disk: Disk;
  /** Of the journal itself; made by {@link createJournal}. */
  directory: string;
  clusterId: string;
  log: Log;
  segmentSizeMax?: number;
}

interface Segment {
  first: number;
  size: number;
}

/**
 * Makes a journal with no commands, the first of which will follow on `sequence`. The caller makes the directory's own
 * name durable.
 */
export async function createJournal(options: JournalOptions, sequence = 0): Promise<Journal> {
  await options.disk.mkdir(options.directory);
  const journal = new Journal(options, [], sequence, undefined);
  await journal.startSegment();
  return journal;
}

/**
 * Opens a journal and hands each command behind sequence `applied` to `replay`, in order. A torn tail is cut off.
 * Throws {@link DamagedStoreError} when something that was acknowledged is missing or unreadable.
 */
export async function openJournal(
  options: JournalOptions,
  applied: number,
  replay: (sequence: number, command: Buffer) => void,
): Promise<Journal> {
  const { disk, directory } = options;
  const firsts = await listSegments(disk, directory);
  if (firsts.length === 0) throw damaged(directory, "it has no segment at all");
  if (firsts[0]! > applied + 1) {
    throw damaged(directory, `sequences ${applied + 1} to ${firsts[0]! - 1} are missing`);
  }
  const segments: Segment[] = [];
  let next = firsts[0]!;
  let lastRecord: Buffer = Buffer.alloc(0);
  for (const [index, first] of firsts.entries()) {
    const path = join(directory, segmentName(first));
    const isLast = index === firsts.length - 1;
    const bytes = await disk.readFile(path);
    const problem = segmentHeaderInvalid(bytes, first, options.clusterId);
    if (
      problem !== null &&
      isLast &&
      index > 0 &&
      bytes.length <= SEGMENT_HEADER_SIZE &&
      problem !== "cluster"
    ) {
      // The crash came while this segment was made: nothing was ever acknowledged in it.
      options.log.warn("removed a journal segment that was being made when the master stopped", { path });
      await disk.remove(path);
      await disk.syncDirectory(directory);
      break;
    }
    if (problem !== null) throw damaged(path, `its header is wrong (${problem})`);
    if (first !== next) throw damaged(directory, `sequences ${next} to ${first - 1} are missing`);
    const scan = scanSegment(bytes, first);
    if (scan.rest > 0) {
      if (!isLast || scan.damaged) throw damaged(path, `the record at offset ${scan.end} is damaged`);
      await cutTail(options, path, scan.end, scan.rest);
    }
    for (const record of scan.records) {
      for (const command of record.commands) {
        if (next > applied) replay(next, command);
        next++;
      }
    }
    segments.push({ first, size: scan.end });
    lastRecord = bytes.subarray(
      scan.records.at(-2)?.end ?? (scan.records.length > 0 ? SEGMENT_HEADER_SIZE : 0),
      scan.end,
    );
  }
  if (next <= applied) throw damaged(directory, `it ends at ${next - 1}, but ${applied} was acknowledged`);
  const last = segments.at(-1)!;
  const file = await disk.open(join(directory, segmentName(last.first)), "write");
  await settleTail(options, file, lastRecord, last.size - lastRecord.length);
  return new Journal(options, segments, next - 1, file);
}

/**
 * What was just read of the last record (or header) may lie in the page cache alone: its writer was killed before the
 * sync, or the sync failed, and then the kernel takes the lost pages for clean. It is about to count as durable, so it is
 * written again and synced, and so is the segment's name.
 */
async function settleTail(
  { disk, directory }: JournalOptions,
  file: DiskFile,
  bytes: Buffer,
  position: number,
): Promise<void> {
  try {
    await file.write([bytes], position);
    await file.sync();
    await disk.syncDirectory(directory);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The first sequence that the journal still holds, or undefined when there is none. */
export async function journalStart(disk: Disk, directory: string): Promise<number | undefined> {
  return (await listSegments(disk, directory))[0];
}

async function listSegments(disk: Disk, directory: string): Promise<number[]> {
  const names = await disk.list(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return names
    .map(segmentFirst)
    .filter((first) => first !== undefined)
    .sort((a, b) => a - b);
}

async function cutTail(
  { disk, log }: JournalOptions,
  path: string,
  end: number,
  bytes: number,
): Promise<void> {
  log.warn("cut off the torn tail of the journal: a batch that nobody was told of", {
    path,
    offset: end,
    bytes,
  });
  const file = await disk.open(path, "write");
  try {
    await file.truncate(end);
    await file.sync();
  } finally {
    await file.close();
  }
}

function damaged(path: string, what: string): DamagedStoreError {
  return new DamagedStoreError(`the journal ${path} is damaged: ${what}`);
}

export class Journal {
  private busy = false;
  private failed: Error | undefined;

  constructor(
    private readonly options: JournalOptions,
    private readonly segments: Segment[],
    /** The last durable sequence. */
    public sequence: number,
    private file: DiskFile | undefined,
  ) {}

  /** Bytes on disk, all segments. */
  get bytes(): number {
    return this.segments.reduce((sum, segment) => sum + segment.size, 0);
  }

  /** Segments that take no more records. */
  get closedSegments(): number {
    return this.segments.length - 1;
  }

  /**
   * Makes `commands` durable: one write and one fdatasync. Rejects with the disk's error; ENOSPC leaves the journal
   * as it was, everything else is final (J3).
   */
  async append(commands: readonly Buffer[]): Promise<void> {
    assert(!this.busy, "J2: one append at a time");
    if (this.failed) throw this.failed;
    this.busy = true;
    try {
      if (this.current.size >= (this.options.segmentSizeMax ?? SEGMENT_SIZE_MAX)) await this.startSegment();
      const record = encodeRecord(this.sequence + 1, commands);
      await this.writeRecord(record);
      await this.file!.sync().catch((error) => this.fail(error as Error));
      this.current.size += record.length;
      this.sequence += commands.length;
    } finally {
      this.busy = false;
    }
  }

  private get current(): Segment {
    return this.segments.at(-1)!;
  }

  private async writeRecord(record: Buffer): Promise<void> {
    try {
      await this.file!.write([record], this.current.size);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") this.fail(error as Error);
      await this.file!.truncate(this.current.size).catch((cause) => this.fail(cause as Error));
      throw error;
    }
  }

  private fail(error: Error): never {
    this.failed = error;
    throw error;
  }

  /** Begins the segment of the next sequence; its name and header are durable when this resolves. */
  async startSegment(): Promise<void> {
    const { disk, directory, clusterId } = this.options;
    const first = this.sequence + 1;
    const path = join(directory, segmentName(first));
    const file = await disk.open(path, "create");
    try {
      await file.write([encodeSegmentHeader(first, clusterId)], 0);
      await file.sync();
      await disk.syncDirectory(directory);
    } catch (error) {
      await file.close();
      if ((error as NodeJS.ErrnoException).code === "ENOSPC") await disk.remove(path);
      else this.failed = error as Error;
      throw error;
    }
    await this.file?.close();
    this.file = file;
    this.segments.push({ first, size: SEGMENT_HEADER_SIZE });
  }

  /** Removes the closed segments whose commands are all at or before `sequence`, which must be durable elsewhere. */
  async dropThrough(sequence: number): Promise<number> {
    const { disk, directory } = this.options;
    let dropped = 0;
    while (this.segments.length > 1 && this.segments[1]!.first <= sequence + 1) {
      await disk.remove(join(directory, segmentName(this.segments[0]!.first)));
      // One by one and oldest first, so that a crash never leaves a gap (J1).
      await disk.syncDirectory(directory);
      this.segments.shift();
      dropped++;
    }
    return dropped;
  }

  async close(): Promise<void> {
    await this.file?.close();
    this.file = undefined;
  }
}
