import { casesOf, type Op, verifyRoundTrips } from "./cases.ts";
import { closedLoop } from "./closed-loop.ts";
import { type BareHttpFigure, measureBareHttp } from "./machine/bare-http.ts";
import { ObjectBodies } from "./object-bodies.ts";
import type { CaseResult } from "./report.ts";
import type { S3Target } from "./s3-client.ts";
import { type Cleanup, Workspace } from "./workspace.ts";

export interface RunOptions {
  target: S3Target;
  /** Undefined: a bucket of a random name, removed at the end. */
  bucket: string | undefined;
  /** Names what this run makes: 8 random hex digits. */
  runId: string;
  sizes: readonly number[];
  ops: readonly Op[];
  workers: number;
  /** Of each case. */
  seconds: number;
  signal: AbortSignal;
  /** What is going on, for the terminal. */
  progress(text: string): void;
  /** Also load a bare server, with each size that is read and answered in one piece. */
  bare?: boolean;
}

/** The warm-up before each case: connections, caches and the server's code paths. */
const WARM_UP_SHARE = 0.1;
const WARM_UP_SECONDS_MAX = 2;
/** Above it bytes count and not requests, and a bare server says nothing about them. */
const BARE_SIZE_MAX = 64 << 10;
const BARE_SECONDS_MAX = 5;

/**
 * Verifies, then measures case by case. Whatever happens, and also after `signal`, what it made on the server is
 * deleted before it returns or throws. Throws the error of the verification or of a preparation.
 */
export async function runCases(
  options: RunOptions,
): Promise<{ results: CaseResult[]; bare: Map<number, BareHttpFigure[]>; cleanup: Cleanup }> {
  const { target, bucket, runId, workers, signal } = options;
  const bodies = new ObjectBodies(Math.max(...options.sizes));
  const name = bucket ?? `skerry-bench-${runId}`;
  const prefix = bucket === undefined ? "" : `skerry-bench-${runId}/`;
  const workspace = new Workspace(target, workers, name, bucket === undefined, prefix, bodies);
  const results: CaseResult[] = [];
  const bare = new Map<number, BareHttpFigure[]>();
  let cleanup: Cleanup;
  try {
    await workspace.open();
    options.progress("checking that what is read is what was written");
    await verifyRoundTrips(workspace, options.sizes);
    await measure(workspace, options, results, bare);
  } finally {
    if (signal.aborted) options.progress("interrupted: deleting what was made");
    cleanup = await workspace.close();
  }
  return { results, bare, cleanup };
}

async function measure(
  workspace: Workspace,
  options: RunOptions,
  results: CaseResult[],
  bare: Map<number, BareHttpFigure[]>,
): Promise<void> {
  const { workers, seconds, signal } = options;
  const warmUp = Math.min(WARM_UP_SECONDS_MAX, seconds * WARM_UP_SHARE);
  for (const one of casesOf(workspace, options.ops, options.sizes)) {
    if (signal.aborted) return;
    options.progress(`${one.op}${one.size === undefined ? "" : ` of ${one.size} bytes`}`);
    await one.prepare(signal);
    await closedLoop(one.operation, workers, warmUp, signal);
    const result = await closedLoop(one.operation, workers, seconds, signal);
    // Half a case is no result.
    if (!signal.aborted) results.push({ op: one.op, size: one.size, ...result });
    await one.clear();
    const { op, size } = one;
    if (!options.bare || op !== "get" || size === undefined || size > BARE_SIZE_MAX || signal.aborted)
      continue;
    // Right after the case it is held against: on a machine with other work no two minutes are alike.
    bare.set(size, await measureBareHttp(size, workers, Math.min(seconds, BARE_SECONDS_MAX), signal));
  }
}
