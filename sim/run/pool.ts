// Seeds in child processes, a few at once: a seed that hangs or kills its process is a finding, not the end.
import { join } from "node:path";
import type { RunOutcome } from "./outcome.ts";
import type { RunRequest } from "./run-seed.ts";

/** Real time that one seed may take on a busy machine. */
const SEED_MS_MAX = 300_000;
/** A process is replaced after so many seeds: what dead programs left behind goes with it. */
const SEEDS_PER_PROCESS = 40;

const WORKER = join(import.meta.dir, "worker.ts");

export interface PoolOptions {
  jobs: number;
  broken?: string;
  onOutcome(outcome: RunOutcome): void;
}

interface Worker {
  lines: AsyncIterator<string>;
  child: ReturnType<typeof spawn>;
  seeds: number;
}

function spawn(broken: string | undefined) {
  const command = [process.execPath, WORKER, ...(broken === undefined ? [] : [broken])];
  return Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
}

export class Pool {
  private stopped = false;
  private readonly workers = new Set<Worker>();

  constructor(private readonly options: PoolOptions) {}

  /** Runs what `requests` gives until it ends or {@link stop} is called. */
  async run(requests: Iterator<RunRequest>): Promise<void> {
    const loop = async (): Promise<void> => {
      let worker: Worker | undefined;
      while (!this.stopped) {
        const next = requests.next();
        if (next.done) break;
        worker ??= await this.start();
        const outcome = await this.runOne(worker, next.value);
        if (this.stopped) break;
        this.options.onOutcome(outcome);
        const isSpent = ++worker.seeds >= SEEDS_PER_PROCESS || worker.child.exitCode !== null;
        if (isSpent) {
          this.end(worker);
          worker = undefined;
        }
      }
      if (worker) this.end(worker);
    };
    await Promise.all(Array.from({ length: this.options.jobs }, loop));
  }

  /** Ends every child at once. */
  stop(): void {
    this.stopped = true;
    for (const worker of this.workers) this.end(worker);
  }

  private async start(): Promise<Worker> {
    const child = spawn(this.options.broken);
    const worker = { child, lines: linesOf(child.stdout), seeds: 0 };
    this.workers.add(worker);
    if ((await worker.lines.next()).done && !this.stopped)
      throw new Error("the simulator's child process did not start");
    return worker;
  }

  private end(worker: Worker): void {
    this.workers.delete(worker);
    worker.child.kill("SIGKILL");
  }

  private async runOne(worker: Worker, request: RunRequest): Promise<RunOutcome> {
    worker.child.stdin.write(`${JSON.stringify(request)}\n`);
    worker.child.stdin.flush();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      worker.child.kill("SIGKILL");
    }, SEED_MS_MAX);
    const line = await worker.lines.next();
    clearTimeout(timer);
    if (!line.done) return JSON.parse(line.value) as RunOutcome;
    await worker.child.exited;
    const why = isLate
      ? `it ran for more than ${SEED_MS_MAX / 1000} s`
      : `its process ended (${worker.child.exitCode})`;
    return died(request, why);
  }
}

function died({ seed, scenario }: RunRequest, why: string): RunOutcome {
  const violations = [{ promise: "bug" as const, what: `the seed did not end: ${why}`, detail: [] }];
  const nothing = { faults: {}, coverage: {}, failures: {}, notes: [] };
  return { seed, scenario, hash: "", events: 0, virtualMs: 0, violations, ...nothing };
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}
