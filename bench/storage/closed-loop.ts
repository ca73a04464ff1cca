import { Histogram } from "./histogram.ts";
import { codeOf } from "./s3-client.ts";

/** What one operation did: which kind it was (a mix has several), and the bytes of object data that it moved. */
export interface Done {
  kind: string;
  bytes: number;
}

/** One operation of worker `worker`. Throws what `codeOf` can name. */
export type Operation = (worker: number) => Promise<Done>;

export interface KindResult {
  kind: string;
  operations: number;
  bytes: number;
  latency: Histogram;
}

export interface LoopResult {
  seconds: number;
  kinds: KindResult[];
  /** Failed operations by code; not in the rates or latencies. */
  errors: Record<string, number>;
  /** CPU seconds of this process per second of the run: 1 is one core. */
  clientCpu: number;
}

/** A worker pauses after an error, so that a dead server is not asked a hundred thousand times a second, ms. */
const ERROR_PAUSE_MS = 20;

/**
 * Runs `operation` in a closed loop: `workers` at a time, each starting the next when one ends, for `seconds` or until
 * `signal`. The time that the last operations take is part of the run.
 */
export async function closedLoop(
  operation: Operation,
  workers: number,
  seconds: number,
  signal: AbortSignal,
): Promise<LoopResult> {
  const kinds = new Map<string, KindResult>();
  const errors: Record<string, number> = {};
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  const deadline = start + seconds * 1000;

  async function work(worker: number): Promise<void> {
    while (!signal.aborted) {
      const begin = performance.now();
      if (begin >= deadline) return;
      try {
        const { kind, bytes } = await operation(worker);
        record(kind, bytes, (performance.now() - begin) * 1000);
      } catch (error) {
        const code = codeOf(error);
        errors[code] = (errors[code] ?? 0) + 1;
        await Bun.sleep(ERROR_PAUSE_MS);
      }
    }
  }
  function record(kind: string, bytes: number, us: number): void {
    let result = kinds.get(kind);
    if (!result) {
      result = { kind, operations: 0, bytes: 0, latency: new Histogram() };
      kinds.set(kind, result);
    }
    result.operations++;
    result.bytes += bytes;
    result.latency.record(us);
  }

  await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)));
  const elapsed = (performance.now() - start) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  return {
    seconds: elapsed,
    kinds: [...kinds.values()],
    errors,
    clientCpu: (cpu.user + cpu.system) / 1e6 / elapsed,
  };
}
