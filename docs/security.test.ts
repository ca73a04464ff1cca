// docs/security.md names every test of an attack, and none that is not there: a test cannot vanish, nor be forgotten.
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..");
const SKIPPED = new Set(["node_modules", ".git", "dist", "data"]);
/** A test's name that begins with ids of attacks, as the first argument of a call. */
const NAMED = /\(\s*(["`])((?:[SE]\d\d(?:, )?)+: .*?)\1,/g;

const rows = readFileSync(join(ROOT, "docs/security.md"), "utf8")
  .split("\n")
  .filter((line) => /^\| [SE]\d\d/.test(line))
  .map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "")));
const attacks = rows.filter((cells) => /^[SE]\d\d$/.test(cells[0]!));
const tests = rows.filter((cells) => /^`[SE]\d\d/.test(cells[1]!));

function testFiles(directory = ""): string[] {
  return readdirSync(join(ROOT, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : testFiles(path);
    return entry.name.endsWith(".test.ts") ? [path] : [];
  });
}

/** As rows of the table. */
function namedTests(): string[] {
  return testFiles().flatMap((path) =>
    [...readFileSync(join(ROOT, path), "utf8").matchAll(NAMED)].map(([, , name]) => {
      const [ids] = name!.split(": ");
      return `| ${ids} | \`${name}\` | \`./skerry test --only ${path}\` |`;
    }),
  );
}

test("each test that the document names is there, and each that is there is named", () => {
  const documented = tests.map((cells) => `| ${cells.join(" | ")} |`);
  expect(documented.toSorted()).toEqual(namedTests().toSorted());
});

test("each attack has a test, or cannot be made here", () => {
  const tested = new Set(tests.flatMap(([ids]) => ids!.split(", ")));
  const untested = attacks.filter(([id, , defence]) => !tested.has(id!) && !/^There is no/.test(defence!));
  expect(untested).toEqual([]);
  expect([...tested].filter((id) => !attacks.some((cells) => cells[0] === id))).toEqual([]);
  expect(attacks.length).toBeGreaterThanOrEqual(35);
});
