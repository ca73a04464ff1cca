import { type Extent, extendChecksum, extentEnd, RECORD_PAYLOAD_MAX } from "../protocol/record.ts";
import type { StoredRecord } from "./append-runs.ts";

/** The extents of an object, made from its records in the order of its bytes. */
export class ExtentList {
  readonly extents: Extent[] = [];

  /** Adds the record of the next bytes: to the last extent if it lies right behind it, or as a new one. */
  add(record: StoredRecord): void {
    const last = this.extents.at(-1);
    if (last && isBackToBack(last, record)) {
      last.length += record.size;
      last.checksum = extendChecksum(last.checksum, record.recordCrc);
      return;
    }
    const { handle, offset, size, recordCrc } = record;
    this.extents.push({ handle, offset, length: size, checksum: extendChecksum(0, recordCrc) });
  }
}

/** Inside an extent every record but the last is full, so that the record of a byte is found by arithmetic. */
function isBackToBack(last: Extent, record: StoredRecord): boolean {
  return (
    last.handle === record.handle &&
    last.length % RECORD_PAYLOAD_MAX === 0 &&
    extentEnd(last) === record.offset
  );
}
