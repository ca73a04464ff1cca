// Moves the catalog's WAL into its file on a thread of its own, over a second connection: the syncs that this takes
// would otherwise hold up every caller of the master. This module is both sides: what runs in the thread is at its end.
import { Database } from "bun:sqlite";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

/** SQLite's answer: pages in the WAL, and how many of them are in the file as well. */
export interface CheckpointProgress {
  busy: number;
  log: number;
  checkpointed: number;
}

type Answer = { progress: CheckpointProgress } | { failure: string; full: boolean };

export class Checkpointer {
  private worker: Worker | undefined;
  private answer: PromiseWithResolvers<CheckpointProgress | undefined> | undefined;

  constructor(private readonly path: string) {}

  /** Whether a checkpoint is under way. */
  get busy(): boolean {
    return this.answer !== undefined;
  }

  get started(): boolean {
    return this.worker !== undefined;
  }

  /** Resolves when the checkpoint under way, if there is one, is over. */
  async idle(): Promise<void> {
    await this.answer?.promise.catch(() => {}); // whoever began it hears of its failure
  }

  /**
   * Makes durable what is committed, and moves it into the file. Resolves with undefined where the disk has no room for
   * that; rejects when the disk failed. One at a time.
   */
  run(): Promise<CheckpointProgress | undefined> {
    const answer = Promise.withResolvers<CheckpointProgress | undefined>();
    this.answer = answer;
    this.worker ??= this.start();
    this.worker.postMessage("checkpoint");
    return answer.promise;
  }

  private start(): Worker {
    const worker = new Worker(import.meta.path, { workerData: { catalog: this.path } });
    worker.on("message", (answer: Answer) => this.settle(answer));
    worker.on("error", (error: Error) => this.settle({ failure: error.message, full: false }));
    worker.unref();
    return worker;
  }

  private settle(answer: Answer): void {
    const { resolve, reject } = this.answer ?? {};
    this.answer = undefined;
    if ("progress" in answer) resolve?.(answer.progress);
    else if (answer.full) resolve?.(undefined);
    else reject?.(new Error(`the catalog's disk failed: ${answer.failure}`));
  }

  /** Waits for the checkpoint under way, then ends the thread. */
  async close(): Promise<void> {
    await this.idle();
    const { worker } = this;
    if (!worker) return;
    this.worker = undefined;
    const gone = new Promise((resolve) => worker.once("exit", resolve));
    worker.ref();
    worker.postMessage("close");
    await gone;
  }
}

/** What the thread does. It keeps few pages: each is read from the WAL once and written to the file once. */
function serve(path: string): void {
  const sqlite = new Database(path, { readwrite: true, create: false });
  sqlite.run("PRAGMA busy_timeout = 5000");
  sqlite.run("PRAGMA synchronous = NORMAL");
  const checkpoint = sqlite.query<CheckpointProgress, []>("PRAGMA wal_checkpoint(PASSIVE)");
  const answer = (): Answer => {
    try {
      return { progress: checkpoint.get()! };
    } catch (error) {
      const { code, message } = error as Error & { code?: string };
      return { failure: message, full: code === "SQLITE_FULL" };
    }
  };
  parentPort!.on("message", (order: "checkpoint" | "close") => {
    if (order === "checkpoint") {
      parentPort!.postMessage(answer());
      return;
    }
    sqlite.close();
    parentPort!.close();
    process.exit(0);
  });
}

if (!isMainThread && typeof (workerData as { catalog?: unknown } | null)?.catalog === "string") {
  serve((workerData as { catalog: string }).catalog);
}
