/** Longer texts are worked out each time: nothing is proved of them yet, and they must not fill the memory. */
const TEXT_LENGTH_MAX = 512;

/**
 * What a pure function makes of texts that come again and again, such as the credential of one client's requests.
 * A call that throws is not remembered.
 */
export class Remembered<T extends object> {
  private readonly results = new Map<string, T>();

  constructor(
    private readonly textsMax: number,
    private readonly make: (text: string) => T,
  ) {}

  get size(): number {
    return this.results.size;
  }

  /** The result for `text`: the same object for the same text, as long as it is remembered. */
  of(text: string): T {
    const present = this.results.get(text);
    if (present !== undefined) return present;
    const result = this.make(text);
    if (text.length > TEXT_LENGTH_MAX) return result;
    if (this.results.size >= this.textsMax) this.results.clear();
    this.results.set(text, result);
    return result;
  }
}
