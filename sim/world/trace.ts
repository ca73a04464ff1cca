// What happened, as one number: two runs of one seed that differ anywhere end with different hashes.

export type TraceField = string | number | boolean | undefined;

/** Told of every event, for looking at a run or for finding where two runs part. */
export type TraceSink = (time: number, event: string, fields: readonly TraceField[]) => void;

/** Strings repeat (names, paths, messages): each is hashed once, up to so many. */
const KNOWN_STRINGS_MAX = 10_000;

const float = new Float64Array(1);
const words = new Uint32Array(float.buffer);

export class Trace {
  events = 0;
  private high = 0x811c9dc5 | 0;
  private low = 0x01000193 | 0;
  private readonly known = new Map<string, number>();

  constructor(private readonly sink?: TraceSink) {}

  /** 16 hex digits over everything recorded so far. */
  get hash(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");
    return hex(this.high) + hex(this.low);
  }

  record(time: number, event: string, ...fields: readonly TraceField[]): void {
    this.events++;
    this.foldNumber(time);
    this.fold(this.hashOf(event));
    for (const field of fields) {
      if (typeof field === "number") this.foldNumber(field);
      else if (typeof field === "string") this.fold(this.hashOf(field));
      else this.fold(field === undefined ? 2 : Number(field));
    }
    this.sink?.(time, event, fields);
  }

  private foldNumber(value: number): void {
    float[0] = value;
    this.fold(words[0]!);
    this.fold(words[1]!);
  }

  private fold(word: number): void {
    this.high = Math.imul(this.high ^ word, 0x85ebca6b);
    this.high ^= this.high >>> 15;
    this.low = Math.imul(this.low + word, 0xc2b2ae35) ^ this.high;
    this.low ^= this.low >>> 13;
  }

  private hashOf(text: string): number {
    const known = this.known.get(text);
    if (known !== undefined) return known;
    const hash = Bun.hash.crc32(text);
    if (this.known.size < KNOWN_STRINGS_MAX) this.known.set(text, hash);
    return hash;
  }
}
