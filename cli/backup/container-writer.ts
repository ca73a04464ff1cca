import { assert } from "../../std/assert.ts";
import type { Disk, DiskFile } from "../../std/disk.ts";
import {
  encodeFileHeader,
  encodeSectionHeader,
  FILE_HEADER_SIZE,
  SECTION_HEADER_SIZE,
  SECTIONS_MAX,
} from "./container.ts";

/** Writes a backup section by section; without {@link finish} the file has no header and is none. */
export class ContainerWriter {
  private end = FILE_HEADER_SIZE;
  private sections = 0;

  private constructor(private readonly file: DiskFile) {}

  /** Makes the new file `path`. */
  static async create(disk: Disk, path: string): Promise<ContainerWriter> {
    return new ContainerWriter(await disk.open(path, "create"));
  }

  /** Writes `body` to its end, a piece at a time. */
  async section(name: string, version: number, body: AsyncIterable<Uint8Array>): Promise<void> {
    assert(this.sections < SECTIONS_MAX, "a backup has few sections");
    const hasher = new Bun.CryptoHasher("sha256");
    const start = this.end + SECTION_HEADER_SIZE;
    let size = 0;
    for await (const piece of body) {
      hasher.update(piece);
      await this.file.write([piece], start + size);
      size += piece.length;
    }
    await this.file.write([encodeSectionHeader({ name, version, size, digest: hasher.digest() })], this.end);
    this.end = start + size;
    this.sections++;
  }

  /** Makes a backup of what was written, durably. */
  async finish({ clusterId, takenAt }: { clusterId: string; takenAt: number }): Promise<void> {
    const { sections, end: size } = this;
    await this.file.write([encodeFileHeader({ sections, size, clusterId, takenAt })], 0);
    await this.file.sync();
  }

  close(): Promise<void> {
    return this.file.close();
  }
}
