// LIST against the model (P4). What one page says of a key is a read of that key, so listings go into the same check as
// everything else: a key that was certainly there has to be listed, one that was certainly not must not be.
import type { History, Page } from "./history.ts";
import type { RegisterOperation, Requirement } from "./register.ts";
import type { Violation } from "./violation.ts";

const compare = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** The common prefix that stands for `key` in this page's listing, if any. */
function groupOf(key: string, { prefix, delimiter }: Page): string | undefined {
  if (!delimiter) return undefined;
  const at = key.indexOf(delimiter, prefix.length);
  return at < 0 ? undefined : key.slice(0, at + delimiter.length);
}

/** Whether the page had to say something of a line that reads `entry`. */
function covers({ after, next }: Page, entry: string): boolean {
  if (after !== undefined && compare(entry, after) <= 0) return false;
  return next === undefined || compare(entry, next) <= 0;
}

/** What `page` shows of each key it had to name or leave out. */
export function pageReads(history: History, page: Page): [string, RegisterOperation][] {
  const listed = new Map(page.objects.map((object) => [object.key, object]));
  const prefixes = new Set(page.commonPrefixes);
  const grouped = new Map<string, string[]>();
  const reads: [string, RegisterOperation][] = [];
  const { client, start, end } = page;
  const add = (key: string, requires: Requirement, said: string): void => {
    reads.push([key, { label: `${client}: LIST "${page.prefix}" ${said}`, start, end, requires }]);
  };
  for (const key of history.keys) {
    if (!key.startsWith(page.prefix)) continue;
    const group = groupOf(key, page);
    if (!covers(page, group ?? key)) continue;
    if (group !== undefined) grouped.set(group, [...(grouped.get(group) ?? []), key]);
    else {
      const object = listed.get(key);
      if (object)
        add(
          key,
          { is: "one of", values: history.valuesWith(key, object.etag) },
          `shows ${key} as ${object.etag}`,
        );
      else add(key, { is: "absent" }, `does not show ${key}`);
    }
  }
  for (const [group, keys] of grouped) {
    if (!prefixes.has(group)) for (const key of keys) add(key, { is: "absent" }, `does not show ${group}`);
    else if (keys.length === 1) add(keys[0]!, { is: "present" }, `shows ${group}`);
  }
  return reads;
}

/** The form of a page: its order, its borders, its size, and that every line stands for something that was written. */
export function checkPage(history: History, page: Page): Violation[] {
  const { prefix, delimiter, after, next, max } = page;
  const lines = [...page.objects.map(({ key }) => key), ...page.commonPrefixes];
  const problems: string[] = [];
  for (const list of [page.objects.map(({ key }) => key), page.commonPrefixes]) {
    for (let i = 1; i < list.length; i++) {
      if (compare(list[i - 1]!, list[i]!) >= 0) problems.push(`${list[i]} comes behind ${list[i - 1]}`);
    }
  }
  for (const line of lines) {
    if (!line.startsWith(prefix)) problems.push(`${line} does not begin with the prefix`);
    if (!covers(page, line)) problems.push(`${line} lies outside of (${after}, ${next}]`);
  }
  for (const { key, etag, size } of page.objects) {
    if (groupOf(key, page) !== undefined) problems.push(`${key} belongs under a common prefix`);
    if (!history.keys.has(key)) problems.push(`nobody ever wrote ${key}`);
    const expected = history.sizeWith(etag);
    if (expected !== size) problems.push(`${key} has the etag ${etag} and ${size} bytes, not ${expected}`);
  }
  for (const group of page.commonPrefixes) {
    if (!delimiter || !group.endsWith(delimiter)) problems.push(`${group} does not end with the delimiter`);
    const has = [...history.keys].some((key) => key.startsWith(prefix) && groupOf(key, page) === group);
    if (!has) problems.push(`nobody ever wrote a key under ${group}`);
  }
  if (lines.length > max) problems.push(`${lines.length} lines, where ${max} were asked for`);
  if (next !== undefined && lines.length < max)
    problems.push(`${lines.length} of ${max} lines, and yet more to come`);
  if (next !== undefined && ![...lines].some((line) => line === next))
    problems.push(`it goes on behind ${next}, which it does not show`);
  if (problems.length === 0) return [];
  const asked = `prefix "${prefix}", delimiter "${delimiter ?? ""}", after "${after ?? ""}", max ${max}`;
  return [
    { promise: "P4", what: `a page of ${page.client}'s listing (${asked}) is wrong`, detail: problems },
  ];
}
