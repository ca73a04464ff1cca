// The text format of Prometheus, version 0.0.4, read as strictly as its definition allows: what a scraper would drop or
// misread is an error here. https://prometheus.io/docs/instrumenting/exposition_formats/

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export interface Family {
  name: string;
  type: "counter" | "gauge" | "histogram";
  help: string;
  samples: Sample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,(?=.)|$)/;
const NUMBER = /^(?:[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?|[+-]Inf|NaN)$/;

/** The families by name. Throws an Error that names the first line that is wrong. */
export function parseExposition(text: string): Map<string, Family> {
  if (text !== "" && !text.endsWith("\n")) throw new Error("the last line does not end");
  const families = new Map<string, Family>();
  let family: Family | undefined;
  let help: { name: string; text: string } | undefined;
  const seen = new Set<string>();
  for (const [index, line] of text.split("\n").slice(0, -1).entries()) {
    const wrong = (what: string): Error => new Error(`line ${index + 1}: ${what}: ${line}`);
    const [, keyword, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (keyword === "HELP") {
      if (!NAME.test(name) || help || families.has(name)) throw wrong("a HELP that is out of place");
      if (!/^(?:[^\\]|\\[\\n])*$/.test(rest)) throw wrong("a bad escape");
      help = { name, text: rest };
    } else if (keyword === "TYPE") {
      if (help?.name !== name) throw wrong("a TYPE without its HELP");
      if (rest !== "counter" && rest !== "gauge" && rest !== "histogram") throw wrong("no such type");
      family = { name, type: rest, help: help.text, samples: [] };
      families.set(name, family);
      help = undefined;
    } else {
      const sample = parseSample(line);
      if (typeof sample === "string") throw wrong(sample);
      if (!family || !belongs(sample, family)) throw wrong("a sample outside of its family");
      const identity = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
      if (seen.has(identity)) throw wrong("the same sample again");
      seen.add(identity);
      family.samples.push(sample);
    }
  }
  for (const each of families.values()) checkFamily(each);
  return families;
}

function parseSample(line: string): Sample | string {
  const [, name, labelText = "", number] = SAMPLE.exec(line) ?? [];
  if (name === undefined || number === undefined) return "no sample";
  if (!NUMBER.test(number)) return "no number";
  const labels: Record<string, string> = {};
  let rest = labelText;
  while (rest !== "") {
    const [all, label, text] = LABEL.exec(rest) ?? [];
    if (all === undefined || label === undefined || text === undefined) return "bad labels";
    if (label in labels) return "the same label twice";
    labels[label] = text.replace(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
    rest = rest.slice(all.length);
  }
  return { name, labels, value: Number(number.replace("Inf", "Infinity")) };
}

function belongs({ name }: Sample, family: Family): boolean {
  if (family.type !== "histogram") return name === family.name;
  return ["_bucket", "_sum", "_count"].some((suffix) => name === family.name + suffix);
}

function checkFamily(family: Family): void {
  const { name, type, samples } = family;
  if (type === "counter" && (!name.endsWith("_total") || samples.some(({ value }) => !(value >= 0)))) {
    throw new Error(`${name} is no counter`);
  }
  if (type === "histogram") checkHistogram(family);
}

/** Buckets in order, cumulative, and the last of them is all there is. */
function checkHistogram({ name, samples }: Family): void {
  const series = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le: _, ...labels } = sample.labels;
    const key = JSON.stringify(Object.entries(labels).sort());
    series.set(key, [...(series.get(key) ?? []), sample]);
  }
  for (const all of series.values()) {
    const buckets = all.filter((sample) => sample.name === `${name}_bucket`);
    const count = all.find((sample) => sample.name === `${name}_count`)?.value;
    const hasSum = all.some((sample) => sample.name === `${name}_sum`);
    const bounds = buckets.map(({ labels }) => Number(labels.le!.replace("Inf", "Infinity")));
    const isAscending = bounds.every((bound, at) => at === 0 || bound > bounds[at - 1]!);
    const isCumulative = buckets.every(({ value }, at) => at === 0 || value >= buckets[at - 1]!.value);
    const isWhole = bounds.at(-1) === Number.POSITIVE_INFINITY && buckets.at(-1)!.value === count;
    if (!isAscending || !isCumulative || !isWhole || !hasSum) throw new Error(`${name} is no histogram`);
  }
}

/** The value of the one sample of `name` with all of `labels`; undefined where there is none. */
export function sampleValue(
  families: Map<string, Family>,
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  const family = families.get(name) ?? families.get(name.replace(/_(?:bucket|sum|count)$/, ""));
  return family?.samples.find(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([label, text]) => sample.labels[label] === text),
  )?.value;
}
