// Finds the place that the server names ("Statement[0].Condition.Bool") in the text that was sent.

export interface Span {
  start: number;
  end: number;
}

/** The steps of a place: names of members, and positions in lists. */
function stepsOf(place: string): (string | number)[] | undefined {
  const steps: (string | number)[] = [];
  const step = /\.?([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/y;
  for (let at = 0; at < place.length; at = step.lastIndex) {
    step.lastIndex = at;
    const match = step.exec(place);
    if (!match) return undefined;
    const [, name, index, quoted] = match;
    steps.push(name ?? (index !== undefined ? Number(index) : (JSON.parse(quoted!) as string)));
  }
  return steps;
}

const TOKEN = /\s*("(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+)/y;

/** Walks JSON text and notes where the value behind `steps` stands, or the member's name that leads to it. */
class Walker {
  private at = 0;
  found: Span | undefined;

  constructor(
    private readonly text: string,
    private readonly steps: readonly (string | number)[],
  ) {}

  /** `depth`: how many steps lead here; -1 where it is no longer the way. */
  value(depth: number): void {
    const first = this.next();
    const start = this.at - first.length;
    if (first === "{") this.members(depth);
    else if (first === "[") this.items(depth);
    if (depth === this.steps.length) this.found ??= { start, end: this.at };
  }

  private members(depth: number): void {
    for (let token = this.next(); token !== "}"; token = this.next()) {
      if (token === ",") continue;
      const name: unknown = JSON.parse(token);
      const span = { start: this.at - token.length, end: this.at };
      this.next();
      const onTheWay = depth >= 0 && this.steps[depth] === name;
      this.value(onTheWay ? depth + 1 : -1);
      // The whole member says more than its value.
      if (onTheWay && depth + 1 === this.steps.length) this.found = { start: span.start, end: this.at };
    }
  }

  private items(depth: number): void {
    for (let index = 0; ; index++) {
      const before = this.at;
      if (this.next() === "]") return;
      this.at = before;
      this.value(depth >= 0 && this.steps[depth] === index ? depth + 1 : -1);
      if (this.next() === "]") return;
    }
  }

  private next(): string {
    TOKEN.lastIndex = this.at;
    const token = TOKEN.exec(this.text)?.[1];
    if (token === undefined) throw new SyntaxError("The text ends too soon.");
    this.at = TOKEN.lastIndex;
    return token;
  }
}

/**
 * Where in `text`, a policy's JSON, the error with `message` is, as its message begins with the place; undefined where
 * that cannot be told.
 */
export function findPlace(text: string, message: string): Span | undefined {
  // A colon inside a quoted name ends no place.
  const place = /^(?:[A-Za-z0-9_.]|\[\d+\]|\["(?:[^"\\]|\\.)*"\])+(?=: )/.exec(message)?.[0];
  const steps = place === undefined || place === "policy" ? undefined : stepsOf(place);
  if (!steps) return undefined;
  try {
    // A place may name a member that is missing: then the nearest thing around it is meant.
    for (let length = steps.length; length > 0; length--) {
      const walker = new Walker(text, steps.slice(0, length));
      walker.value(0);
      if (walker.found) return walker.found;
    }
  } catch {
    // No JSON: the message itself says where it breaks off.
  }
  return undefined;
}

/** The line of `offset`, from 1. */
export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}
