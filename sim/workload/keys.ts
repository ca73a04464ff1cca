import type { SeededRandom } from "../world/seeded-random.ts";

/** Where JavaScript's order of strings and that of UTF-8 bytes differ, and what a path might be taken for. */
const ODD = ["\u{1f600}", "\uff5e", "~", "a//b", "a/../b", "%2f", " ", "A", "a", "\u00e9/\u00e9", "e\u0301"];

/** The keys of one run: few, so that clients meet on them. */
export class Keys {
  readonly all: readonly string[];
  private readonly hot: readonly string[];

  constructor(random: SeededRandom, count = random.int(6, 40)) {
    const keys = new Set<string>(random.shuffle(ODD).slice(0, random.int(0, Math.min(5, count))));
    // Groups of many keys and of one, nested and not.
    while (keys.size < count) {
      const depth = random.int(0, 2);
      const path = Array.from({ length: depth }, () => `d${random.int(0, 3)}`);
      keys.add([...path, `k${random.int(0, count)}`].join("/"));
    }
    this.all = [...keys];
    this.hot = random.shuffle(this.all).slice(0, random.int(1, 3));
  }

  pick(random: SeededRandom): string {
    return random.chance(0.4) ? random.pick(this.hot) : random.pick(this.all);
  }

  /** A prefix that some keys have, or none. */
  prefix(random: SeededRandom): string {
    if (random.chance(0.5)) return "";
    const key = random.pick(this.all);
    return [...key].slice(0, random.int(1, 4)).join("");
  }
}
