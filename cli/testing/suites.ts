import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import type { Environment, Output } from "../command.ts";
import { ROOT } from "../version.ts";
import { type ChildResult, runChild } from "./child.ts";
import { describeOutcome, FAILED, type Outcome, outcomeOfFile, PASSED } from "./outcome.ts";

/** Of a test that sets no time of its own. Bun's 5 s are short where a slow machine syncs its disk. */
const TEST_MS_MAX = 30_000;
/** A file that takes longer hangs: it is killed and counts as failed. The simulator's takes 3 minutes on an idle machine. */
const FILE_MS_MAX = 1_200_000;
const CHECK_MS_MAX = 300_000;
/** Tests of the storage engine want a core each, and the machine may be small. */
const UNIT_FILES_AT_ONCE = Math.max(1, Math.min(4, navigator.hardwareConcurrency));

const END_TO_END = "cli/e2e/";
/** Directories that hold no tests of ours. */
const SKIPPED_DIRECTORIES = new Set(["node_modules", ".git", "dist", "data"]);

export interface TestFiles {
  unit: string[];
  endToEnd: string[];
}

/** The test files below the root whose path contains `pattern`, relative, in order. */
export async function findTestFiles(pattern: string, root = ROOT): Promise<TestFiles> {
  const found: string[] = [];
  const walk = async (directory: string): Promise<void> => {
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name);
      if (entry.isDirectory() && !SKIPPED_DIRECTORIES.has(entry.name)) await walk(path);
      else if (/\.test\.tsx?$/.test(entry.name)) found.push(relative(root, path));
    }
  };
  await walk(root);
  const files = found.filter((path) => path.includes(pattern)).sort();
  return {
    unit: files.filter((path) => !path.startsWith(END_TO_END)),
    endToEnd: files.filter((path) => path.startsWith(END_TO_END)),
  };
}

export interface Check {
  name: string;
  command: string[];
}

/** What is checked without running anything; one test each. */
export const CHECKS: Check[] = [
  { name: "types (tsc)", command: [join(ROOT, "node_modules/.bin/tsc"), "--noEmit"] },
  { name: "style (biome)", command: [join(ROOT, "node_modules/.bin/biome"), "ci", "--colors=off", "."] },
];

export class TestRun {
  private readonly outcomes: Outcome[] = [];

  constructor(
    private readonly environment: Environment,
    private readonly output: Output,
  ) {}

  get results(): readonly Outcome[] {
    return this.outcomes;
  }

  async check({ name, command }: Check): Promise<void> {
    const result = await runChild(command, this.environment, CHECK_MS_MAX);
    this.record(name, result.exitCode === 0 ? PASSED : FAILED, result, CHECK_MS_MAX);
  }

  /** Each file in a process of its own: a crash, a hang or a leak stays the file's own. */
  async unit(files: readonly string[]): Promise<void> {
    const queue = [...files];
    const worker = async (): Promise<void> => {
      for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
        const { result, outcome } = await this.runFile(file, FILE_MS_MAX);
        this.record(file, outcome, result, FILE_MS_MAX);
      }
    };
    await Promise.all(Array.from({ length: UNIT_FILES_AT_ONCE }, worker));
  }

  /** One after another, since each starts a whole cloud; shown as they run. */
  async endToEnd(files: readonly string[]): Promise<void> {
    for (const file of files) {
      this.output.out(`\n${file}\n`);
      const { result, outcome } = await this.runFile(file, FILE_MS_MAX, this.output);
      this.record(file, outcome, { ...result, text: "" }, FILE_MS_MAX);
    }
  }

  private async runFile(
    file: string,
    timeoutMs: number,
    live?: Output,
  ): Promise<{ result: ChildResult; outcome: Outcome }> {
    const directory = await mkdtemp(join(tmpdir(), "skerry-report-"));
    const report = join(directory, "junit.xml");
    const flags = ["--reporter=junit", `--reporter-outfile=${report}`, `--timeout=${TEST_MS_MAX}`];
    try {
      const command = [process.execPath, "test", ...flags, `./${file}`];
      const result = await runChild(command, this.environment, timeoutMs, live);
      const text = await readFile(report, "utf8").catch(() => undefined);
      return { result, outcome: outcomeOfFile(text, result.exitCode) };
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  private record(name: string, outcome: Outcome, result: ChildResult, timeoutMs: number): void {
    this.outcomes.push(outcome);
    if (outcome.failed > 0) this.output.out(`\n${result.text}\n`);
    const late = result.timedOut ? `, killed after ${timeoutMs / 1000} s` : "";
    this.output.out(`${outcome.failed > 0 ? "FAIL" : "ok  "} ${name}: ${describeOutcome(outcome)}${late}\n`);
  }
}
