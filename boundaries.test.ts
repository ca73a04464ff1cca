// The architecture as a test: which part may import which, no cycles, nothing that nobody uses.
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findViolations, type Rules } from "./cli/testing/boundaries.ts";
import { readSourceTree } from "./cli/testing/source-tree.ts";

const RULES: Rules = {
  arrows: {
    "std/": [],
    "chunkd/": ["std/"],
    "chunkd/protocol/": ["std/"],
    "chunkd/client/": ["chunkd/protocol/", "std/"],
    "masterd/": ["chunkd/protocol/", "std/"],
    "masterd/protocol/": ["chunkd/protocol/", "std/"],
    "masterd/client/": ["masterd/protocol/", "chunkd/protocol/", "std/"],
    "apis/": ["masterd/client/", "masterd/protocol/", "chunkd/client/", "chunkd/protocol/", "std/"],
    "edge/": ["apis/", "std/"],
    "web/": ["std/"],
    "bench/": ["apis/", "masterd/", "chunkd/", "std/"],
    "sim/": ["apis/", "masterd/", "chunkd/", "std/"],
    // Whoever checks the system shares no code with it.
    "sim/check/": [],
    "cli/": ["sim/", "edge/", "web/", "bench/", "apis/", "masterd/", "chunkd/", "std/", "package.json"],
  },
  typesOnly: { "web/": ["apis/"] },
  // They may start real parts; the gateway, the command and the dashboard are tested through their own doors.
  arrowsOfTests: ["std/", "chunkd/", "masterd/", "apis/"],
  entries: [
    /^(masterd|chunkd|apis|edge|std\/db)\/main\.ts$/,
    /^cli\/skerry\.ts$/,
    /^sim\/run\/worker\.ts$/,
    /^cli\/supervisor\/testing\/fake-role\.ts$/,
    // Started by tests as processes of their own.
    /^sim\/world\/testing\/(escaping-error|run-seed|start-broken)\.ts$/,
    /^bench\/[^/]+\.ts$/,
    /^web\/build\.ts$/,
    /^web\/app\/(main\.tsx|theme-boot\.ts)$/,
  ],
  forTests: [/\/testing\//, /\/test-[a-z-]+\.ts$/, /^cli\/e2e\//],
  banned: [
    { pattern: /\bTO[D]O\b|\bFIXM[E]\b|\bXX[X]\b/, instead: "finish it, or leave it out" },
    // Other uses of that type are found by the linter.
    { pattern: /\bas an[y]\b/, instead: "name the type" },
    {
      pattern: /\bDate\.now\(|\bMath\.random\(|\bprocess\.env\b/,
      instead: "take the clock, the random and the settings that main.ts hands down",
      where: /^(masterd|chunkd|apis|edge)\/(?!main\.ts$)(?!.*(testing\/|\/test-|\.test\.))/,
    },
    {
      pattern:
        /\b(?:setTimeout|setInterval|setImmediate)\(|\bBun\.(?:sleep|file|write|connect|listen|serve|spawn)\b|\bperformance\.now\(|\brandom(?:Bytes|UUID)\b|\bgetRandomValues\b|"node:(?:fs|net|os|timers|child_process|worker_threads)[/"]|\bcrypto\.subtle\b/,
      instead: "take the clock, disk, net and random that main.ts hands down: the simulator must own them",
      where:
        /^(masterd|chunkd)\/(?!main\.ts$)(?!protocol\/cluster-file\.ts$)(?!catalog\/checkpointer\.ts$)(?!.*(testing\/|\/test-|\.test\.))/,
    },
    { pattern: /@ts-(?:ignore|nochec[k])/, instead: "name the type" },
  ],
  linesMax: 450,
};

/** The violations of a tree of `files`, path to text. */
function violationsOf(files: Record<string, string>): string[] {
  const root = mkdtempSync(join(tmpdir(), "skerry-tree-"));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return findViolations(readSourceTree(root), RULES);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

test("this tree keeps its rules", () => {
  expect(findViolations(readSourceTree(import.meta.dir), RULES)).toEqual([]);
});

const SOUND = {
  "std/clock.ts": "export const now = 0;\n",
  "chunkd/protocol/frame.ts": 'import { now } from "../../std/clock.ts";\nexport const frame = now;\n',
  "chunkd/main.ts": 'import { frame } from "./protocol/frame.ts";\nconsole.log(frame);\n',
};

test("a sound tree has no violations", () => {
  expect(violationsOf(SOUND)).toEqual([]);
});

const PLANTED: { name: string; files: Record<string, string>; finds: string }[] = [
  {
    name: "an arrow the wrong way",
    files: { "chunkd/main.ts": 'import "../masterd/main.ts";\n', "masterd/main.ts": "export {};\n" },
    finds: "chunkd/main.ts may not import masterd/main.ts",
  },
  {
    name: "the inside of another part instead of its door",
    files: { "apis/main.ts": 'import "../chunkd/store.ts";\n', "chunkd/store.ts": "export {};\n" },
    finds: "apis/main.ts may not import chunkd/store.ts",
  },
  {
    name: "a dynamic import the wrong way",
    files: { "edge/main.ts": `await ${"import"}("../cli/skerry.ts");\n`, "cli/skerry.ts": "export {};\n" },
    finds: "edge/main.ts may not import cli/skerry.ts",
  },
  {
    name: "a value of an API in the dashboard",
    files: {
      "web/build.ts": 'import { a } from "../apis/main.ts";\n',
      "apis/main.ts": "export const a = 1;\n",
    },
    finds: "web/build.ts may not import apis/main.ts",
  },
  {
    name: "a re-export the wrong way",
    files: {
      "std/clock.ts": 'export { a } from "../edge/main.ts";\n',
      "edge/main.ts": "export const a = 1;\n",
    },
    finds: "std/clock.ts may not import edge/main.ts",
  },
  {
    name: "a cycle",
    files: { "std/a.ts": 'import "./b.ts";\n', "std/b.ts": 'import "./a.ts";\n' },
    finds: "std/a.ts -> std/b.ts -> std/a.ts is a cycle",
  },
  {
    name: "a file that nothing imports",
    files: { "std/lonely.ts": "export {};\n" },
    finds: "std/lonely.ts is imported by nothing",
  },
  {
    name: "a file that only its test uses",
    files: { "std/dead.ts": "export {};\n", "std/dead.test.ts": 'import "./dead.ts";\n' },
    finds: "std/dead.ts is used by tests alone",
  },
  {
    name: "an import of a file that is not there",
    files: { "edge/main.ts": 'import "./gone.ts";\n' },
    finds: "edge/main.ts imports edge/gone.ts, which is not there",
  },
  {
    name: "a note that something is left to do",
    files: { "edge/main.ts": `// ${"TO"}${"DO"}: later\n` },
    finds: `edge/main.ts:1 has "${"TO"}${"DO"}"; finish it, or leave it out`,
  },
  {
    name: "a cast that switches the types off",
    files: { "edge/main.ts": `\nexport const a = 1 as ${"any"};\n` },
    finds: `edge/main.ts:2 has "as ${"any"}"; name the type`,
  },
  {
    name: "a core that reads the wall clock by itself",
    files: {
      "edge/main.ts": 'import "./core.ts";\nDate.now();\n',
      "edge/core.ts": "export const startedAt = Date.now();\n",
    },
    finds:
      'edge/core.ts:1 has "Date.now("; take the clock, the random and the settings that main.ts hands down',
  },
  {
    name: "a storage core that takes the file system by itself",
    files: {
      "chunkd/main.ts": 'import "./core.ts";\n',
      "chunkd/core.ts": 'import { rm } from "node:fs/promises";\nawait rm("x");\n',
    },
    finds:
      'chunkd/core.ts:1 has ""node:fs/"; take the clock, disk, net and random that main.ts hands down: the simulator must own them',
  },
  {
    name: "a part of the house that uses the simulator",
    files: { "masterd/main.ts": 'import "../sim/world.ts";\n', "sim/world.ts": "export {};\n" },
    finds: "masterd/main.ts may not import sim/world.ts",
  },
  {
    name: "a file with more lines than one idea takes",
    files: { "edge/main.ts": "export {};\n".repeat(RULES.linesMax + 1) },
    finds: `edge/main.ts has ${RULES.linesMax + 1} lines; split it by what it is about (${RULES.linesMax} at most)`,
  },
];

for (const { name, files, finds } of PLANTED) {
  test(`${name} is found`, () => {
    expect(violationsOf({ ...SOUND, ...files })).toContain(finds);
  });
}

test("types of an API may be used in the dashboard", () => {
  const files = {
    "web/build.ts": 'import type { A } from "../apis/main.ts";\nexport type B = A;\n',
    "apis/main.ts": "export type A = 1;\n",
  };
  expect(violationsOf(files)).toEqual([]);
});
