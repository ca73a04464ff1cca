import { describe, expect, test } from "bun:test";
import { Histogram, Tally } from "./histogram.ts";
import { Metrics } from "./metrics.ts";
import { parseExposition, sampleValue } from "./testing/exposition.ts";

describe("the exposition format", () => {
  test("is what a strict reader takes, with every character that a label may hold", async () => {
    const metrics = new Metrics();
    const text = 'quote " back \\ line\nend {}=, ü';
    metrics.gauge("g_bytes", 'help with \\ and\nlines and "quotes"', () => [
      [{ a: text }, 1.5e-7],
      [{ a: "" }, Number.NaN],
      [{ a: "up", b: "2" }, Number.POSITIVE_INFINITY],
      [{ a: "down" }, Number.NEGATIVE_INFINITY],
    ]);
    metrics.counter("c_total", "c", () => 2 ** 53);
    const families = parseExposition(await metrics.text());
    expect(sampleValue(families, "g_bytes", { a: text })).toBe(1.5e-7);
    expect(sampleValue(families, "g_bytes", { a: "" })).toBeNaN();
    expect(sampleValue(families, "g_bytes", { b: "2" })).toBe(Number.POSITIVE_INFINITY);
    expect(sampleValue(families, "g_bytes", { a: "down" })).toBe(Number.NEGATIVE_INFINITY);
    expect(sampleValue(families, "c_total")).toBe(2 ** 53);
  });

  test("tells a histogram's buckets cumulatively, each bound inclusive", async () => {
    const metrics = new Metrics();
    const histogram = new Histogram([1, 2]);
    for (const value of [0.5, 1, 1.5, 2, 3]) histogram.observe(value);
    metrics.histogram("h_seconds", "h", () => [[{ op: "read" }, histogram]]);
    const families = parseExposition(await metrics.text());
    const bucket = (le: string) => sampleValue(families, "h_seconds_bucket", { op: "read", le });
    expect([bucket("1"), bucket("2"), bucket("+Inf")]).toEqual([2, 4, 5]);
    expect(sampleValue(families, "h_seconds_sum")).toBe(8);
    expect(sampleValue(families, "h_seconds_count")).toBe(5);
  });

  test("leaves out what has no value, and goes on when a preparation fails", async () => {
    const metrics = new Metrics();
    metrics.prepare(() => Promise.reject(new Error("the master is away")));
    metrics.gauge("none", "n", () => undefined);
    metrics.gauge("some", "s", () => 1);
    const families = parseExposition(await metrics.text());
    expect(families.get("none")!.samples).toEqual([]);
    expect(sampleValue(families, "some")).toBe(1);
  });

  test("has each name once", () => {
    const metrics = new Metrics();
    metrics.gauge("a", "a", () => 1);
    expect(() => metrics.counter("a", "a", () => 1)).toThrow("a is there already");
  });
});

test("a tally tells the names it was made with from the start", () => {
  const tally = new Tally(["BAD_FRAME"]);
  tally.add("OTHER", 2);
  expect([...tally.entries()]).toEqual([
    ["BAD_FRAME", 0],
    ["OTHER", 2],
  ]);
});

describe("the strict reader refuses", () => {
  const head = "# HELP a h\n# TYPE a gauge\n";
  const cases: [what: string, text: string][] = [
    ["a sample before its family", "a 1\n"],
    ["a family without help", "# TYPE a gauge\na 1\n"],
    ["a label without quotes", `${head}a{b=c} 1\n`],
    ["a raw quote in a label", `${head}a{b="c"d"} 1\n`],
    ["an unknown escape", `${head}a{b="\\t"} 1\n`],
    ["a number that is none", `${head}a 1,5\n`],
    ["a sample twice", `${head}a{b="c"} 1\na{b="c"} 2\n`],
    ["another family's sample", `${head}b 1\n`],
    ["a last line without its end", `${head}a 1`],
    ["a counter that is not named as one", "# HELP a h\n# TYPE a counter\na 1\n"],
    ["a histogram that falls", histogramText([2, 1], 1)],
    ["a histogram whose count is another", histogramText([1, 2], 3)],
  ];
  for (const [what, text] of cases) {
    test(what, () => expect(() => parseExposition(text)).toThrow());
  }
});

function histogramText([one, all]: [number, number], count: number): string {
  const buckets = `a_bucket{le="1"} ${one}\na_bucket{le="+Inf"} ${all}\n`;
  return `# HELP a h\n# TYPE a histogram\n${buckets}a_sum 1\na_count ${count}\n`;
}
