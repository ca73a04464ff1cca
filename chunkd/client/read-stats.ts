/** What a reader counts of its records, each one answer of a chunkserver at least. */
export class ReadStats {
  records = 0;
  /** Of them, read in place from a chunk file on this machine. */
  inPlace = 0;
  /** A second replica was asked because the first was slow. */
  hedged = 0;
  /** Bytes that failed their checksum, from the disk or on the way. */
  damaged = 0;
}
