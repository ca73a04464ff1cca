// The uploads of this page: what waits, what is sent, what became of it. Knows nothing of XHR or React.
import { messageOf } from "../api/http.ts";
import type { StoredObject } from "../api/storage.ts";

export type UploadState = "waiting" | "sending" | "done" | "failed" | "cancelled";

export interface Upload {
  readonly id: number;
  readonly bucket: string;
  readonly key: string;
  readonly file: Blob;
  readonly state: UploadState;
  readonly sentBytes: number;
  readonly bytesPerSecond: number;
  readonly error?: string;
  /** The object that the upload made, once it is stored. */
  readonly stored?: StoredObject;
}

export interface Sending {
  /** Resolves when the object is stored, rejects with what to tell the person. */
  done: Promise<StoredObject>;
  abort(): void;
}

export type Send = (upload: Upload, onProgress: (sentBytes: number) => void) => Sending;

/** Browsers open 6 connections to an HTTP/1.1 origin: three uploads leave room for the page's own calls. */
export const UPLOADS_IN_FLIGHT_MAX = 3;
/** Rows of finished uploads that are remembered; the oldest make room. */
export const UPLOADS_FINISHED_MAX = 500;
/** A file handle costs little, but a dropped disk must not fill the page's memory. */
export const UPLOADS_WAITING_MAX = 20_000;
/** Weight of the newest sample in the shown speed. */
const SPEED_SMOOTHING = 0.3;
/** Samples closer together than this say more about buffers than about the network, ms. */
const SPEED_SAMPLE_MS = 250;

export type UploadListener = (upload: Upload) => void;

export class UploadQueue {
  private uploads: readonly Upload[] = [];
  private readonly sendings = new Map<number, Sending>();
  private readonly samples = new Map<number, { at: number; bytes: number }>();
  private readonly changeListeners = new Set<() => void>();
  private readonly doneListeners = new Set<UploadListener>();
  private nextId = 1;

  constructor(
    private readonly send: Send,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** All uploads, oldest first. The array is new after each change. */
  readonly snapshot = (): readonly Upload[] => this.uploads;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.changeListeners.add(listener);
    return () => this.changeListeners.delete(listener);
  };

  /** Calls `listener` for each upload that is stored. */
  readonly onDone = (listener: UploadListener): (() => void) => {
    this.doneListeners.add(listener);
    return () => this.doneListeners.delete(listener);
  };

  /** Queues `files`; returns how many were refused for {@link UPLOADS_WAITING_MAX}. */
  add(bucket: string, files: readonly { key: string; file: Blob }[]): number {
    const waiting = this.uploads.filter((upload) => upload.state === "waiting").length;
    const accepted = files.slice(0, Math.max(0, UPLOADS_WAITING_MAX - waiting));
    const added = accepted.map(({ key, file }): Upload => {
      const problem = keyProblem(key);
      return {
        id: this.nextId++,
        bucket,
        key,
        file,
        state: problem ? "failed" : "waiting",
        error: problem,
        sentBytes: 0,
        bytesPerSecond: 0,
      };
    });
    this.replaceAll([...this.uploads, ...added]);
    this.pump();
    return files.length - accepted.length;
  }

  cancel(id: number): void {
    const upload = this.uploads.find((candidate) => candidate.id === id);
    if (upload?.state !== "waiting" && upload?.state !== "sending") return;
    this.change(id, { state: "cancelled", bytesPerSecond: 0 });
    this.sendings.get(id)?.abort();
    this.sendings.delete(id);
    this.pump();
  }

  cancelAll(): void {
    const sendings = [...this.sendings.values()];
    this.sendings.clear();
    this.replaceAll(
      this.uploads.map((upload) =>
        isPending(upload) ? { ...upload, state: "cancelled" as const, bytesPerSecond: 0 } : upload,
      ),
    );
    for (const sending of sendings) sending.abort();
  }

  retry(id: number): void {
    this.again((upload) => upload.id === id && (upload.state === "failed" || upload.state === "cancelled"));
  }

  retryFailed(): void {
    this.again((upload) => upload.state === "failed");
  }

  /** Forgets what is over, whatever its end. */
  clearFinished(): void {
    this.replaceAll(this.uploads.filter(isPending));
  }

  private again(wanted: (upload: Upload) => boolean): void {
    this.replaceAll(
      this.uploads.map((upload) =>
        wanted(upload) && !keyProblem(upload.key)
          ? { ...upload, state: "waiting" as const, sentBytes: 0, bytesPerSecond: 0, error: undefined }
          : upload,
      ),
    );
    this.pump();
  }

  private pump(): void {
    while (this.sendings.size < UPLOADS_IN_FLIGHT_MAX) {
      const next = this.uploads.find((upload) => upload.state === "waiting");
      if (!next) return;
      this.start(next.id);
    }
  }

  private start(id: number): void {
    const upload = this.change(id, { state: "sending" });
    this.samples.set(id, { at: this.now(), bytes: 0 });
    const sending = this.send(upload, (sentBytes) => this.progress(id, sentBytes));
    this.sendings.set(id, sending);
    sending.done.then(
      (stored) =>
        this.settle(id, sending, { state: "done", sentBytes: upload.file.size, error: undefined, stored }),
      (error: unknown) => this.settle(id, sending, { state: "failed", error: messageOf(error) }),
    );
  }

  private progress(id: number, sentBytes: number): void {
    const upload = this.uploads.find((candidate) => candidate.id === id);
    const sample = this.samples.get(id);
    if (upload?.state !== "sending" || !sample) return;
    const elapsedMs = this.now() - sample.at;
    if (elapsedMs < SPEED_SAMPLE_MS) return void this.change(id, { sentBytes });
    const speed = ((sentBytes - sample.bytes) * 1000) / elapsedMs;
    const before = upload.bytesPerSecond;
    const bytesPerSecond = before === 0 ? speed : before + SPEED_SMOOTHING * (speed - before);
    this.samples.set(id, { at: this.now(), bytes: sentBytes });
    this.change(id, { sentBytes, bytesPerSecond });
  }

  private settle(id: number, sending: Sending, end: Partial<Upload>): void {
    // An aborted sending rejects late, when its upload may already be sent again.
    if (this.sendings.get(id) !== sending) return;
    this.sendings.delete(id);
    this.samples.delete(id);
    const upload = this.change(id, { ...end, bytesPerSecond: 0 });
    this.dropOldest();
    if (upload.state === "done") for (const listener of this.doneListeners) listener(upload);
    this.pump();
  }

  private dropOldest(): void {
    let excess = this.uploads.filter((upload) => upload.state === "done").length - UPLOADS_FINISHED_MAX;
    if (excess <= 0) return;
    this.replaceAll(this.uploads.filter((upload) => upload.state !== "done" || excess-- <= 0));
  }

  private change(id: number, fields: Partial<Upload>): Upload {
    let changed!: Upload;
    this.replaceAll(
      this.uploads.map((upload) => {
        if (upload.id !== id) return upload;
        changed = { ...upload, ...fields };
        return changed;
      }),
    );
    return changed;
  }

  private replaceAll(uploads: readonly Upload[]): void {
    this.uploads = uploads;
    for (const listener of this.changeListeners) listener();
  }
}

export function isPending(upload: Upload): boolean {
  return upload.state === "waiting" || upload.state === "sending";
}

/** S3's limit on a key, bytes of UTF-8. */
const KEY_SIZE_MAX = 1024;

function keyProblem(key: string): string | undefined {
  const size = new TextEncoder().encode(key).length;
  if (size > KEY_SIZE_MAX)
    return `The name with its folders is ${size} bytes long; at most ${KEY_SIZE_MAX} are allowed.`;
  if (key === "." || key === "..")
    return `Browsers cannot address an object named "${key}". Use the S3 API for it.`;
  return undefined;
}
