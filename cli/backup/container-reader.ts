import { BackupError, type FilePart, type Progress } from "../../masterd/store/backup-file.ts";
import type { Disk, DiskFile } from "../../std/disk.ts";
import {
  decodeFileHeader,
  decodeSectionHeader,
  FILE_HEADER_SIZE,
  FILE_MAGIC,
  type FileHeader,
  SECTION_HEADER_SIZE,
  SECTIONS_MAX,
  type SectionHeader,
} from "./container.ts";

const PIECE_SIZE = 1 << 20;

/** Where the body of a section lies, and what it must be. */
export interface Section extends SectionHeader, FilePart {}

export interface Container extends Omit<FileHeader, "sections"> {
  /** By name. */
  sections: ReadonlyMap<string, Section>;
}

/**
 * Reads the backup at `path` as a whole and checks every length and digest. Undefined for a file that does not begin as one;
 * throws {@link BackupError} for one that was cut short or changed.
 */
export async function readContainer(
  disk: Disk,
  path: string,
  onProgress: Progress = () => {},
): Promise<Container | undefined> {
  const file = await disk.open(path, "read");
  try {
    const start = Buffer.alloc(FILE_HEADER_SIZE);
    const count = await file.read(start, 0);
    if (count < 4 || start.readUInt32LE(0) !== FILE_MAGIC) return undefined;
    const header = decodeFileHeader(start.subarray(0, count));
    const size = await file.size();
    if (size !== header.size) throw new BackupError(`it has ${size} bytes instead of ${header.size}`);
    const sections = await readSections(file, path, header);
    for (const section of sections.values()) await checkDigest(file, section, size, onProgress);
    return { ...header, sections };
  } finally {
    await file.close();
  }
}

async function readSections(file: DiskFile, path: string, header: FileHeader): Promise<Map<string, Section>> {
  if (header.sections > SECTIONS_MAX) throw new BackupError(`it has ${header.sections} sections`);
  const sections = new Map<string, Section>();
  let end = FILE_HEADER_SIZE;
  for (let i = 0; i < header.sections; i++) {
    const bytes = Buffer.alloc(SECTION_HEADER_SIZE);
    const count = await file.read(bytes, end);
    const section = decodeSectionHeader(bytes.subarray(0, count));
    sections.set(section.name, { ...section, path, offset: end + SECTION_HEADER_SIZE });
    end += SECTION_HEADER_SIZE + section.size;
  }
  if (end !== header.size || sections.size !== header.sections) {
    throw new BackupError("its sections do not fill it: it is damaged");
  }
  return sections;
}

async function checkDigest(
  file: DiskFile,
  section: Section,
  total: number,
  onProgress: Progress,
): Promise<void> {
  const hasher = new Bun.CryptoHasher("sha256");
  let done = section.offset;
  for await (const piece of pieces(file, section)) {
    hasher.update(piece);
    done += piece.length;
    onProgress(done, total);
  }
  if (!hasher.digest().equals(section.digest)) {
    throw new BackupError(`the digest of its section ${section.name} does not match: it is damaged`);
  }
}

/** The body of a section; each piece is valid until the next one. */
export async function* readSection(disk: Disk, section: Section): AsyncGenerator<Buffer> {
  const file = await disk.open(section.path, "read");
  try {
    yield* pieces(file, section);
  } finally {
    await file.close();
  }
}

async function* pieces(file: DiskFile, { offset, size }: FilePart): AsyncGenerator<Buffer> {
  const buffer = Buffer.alloc(Math.min(PIECE_SIZE, size));
  for (let done = 0; done < size; ) {
    const piece = buffer.subarray(0, Math.min(buffer.length, size - done));
    const count = await file.read(piece, offset + done);
    if (count < piece.length) throw new BackupError("it ended before its time");
    yield piece;
    done += count;
  }
}
