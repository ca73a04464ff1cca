// Multipart uploads that nobody goes on with: their parts take space that no listing of objects shows. They are aborted
// after days without a part, as a lifecycle rule of S3 would do it.
import { MasterError } from "../store/errors.ts";
import { Pacer } from "./pacer.ts";
import type { ChunkParts } from "./parts.ts";

export const ABANDONED_UPLOAD_DAYS = 7;
const DAY_MS = 24 * 60 * 60_000;
const EVERY_MS = 60 * 60_000;
/** Uploads looked at in one slice. */
const PAGE = 100;

export class AbandonedUploads {
  /** Aborted since the master started. */
  aborted = 0;
  private readonly pacer: Pacer;
  private running: Promise<void> | undefined;
  private nextMs = 0;

  constructor(
    private readonly parts: Pick<ChunkParts, "clock" | "log" | "store">,
    /** 0: they are kept for ever. */
    private readonly days = ABANDONED_UPLOAD_DAYS,
  ) {
    this.pacer = new Pacer(parts.clock);
  }

  tick(): void {
    const { clock, log } = this.parts;
    if (this.days === 0 || this.running || this.pacer.stopped || clock.monotonic() < this.nextMs) return;
    this.nextMs = clock.monotonic() + EVERY_MS;
    this.running = this.sweep()
      .catch((error: Error) => log.warn("abandoned uploads were not looked for", { error: String(error) }))
      .finally(() => {
        this.running = undefined;
      });
  }

  private async sweep(): Promise<void> {
    const { store, clock } = this.parts;
    const idleSince = clock.now() - this.days * DAY_MS;
    let after = "";
    this.pacer.begin();
    while (!this.pacer.stopped) {
      const { found, last } = await store.read("all", (catalog) => {
        const page = catalog.uploads.begunBefore(idleSince, after, PAGE);
        const idle = page.filter(({ uploadId }) => catalog.uploads.lastPartAt(uploadId) < idleSince);
        const named = idle.map((upload) => ({ ...upload, bucket: catalog.buckets.name(upload.bucket) }));
        return { found: named, last: page.length < PAGE ? undefined : page.at(-1)!.uploadId };
      });
      const named = found.flatMap(({ bucket, ...upload }) =>
        bucket === undefined ? [] : [{ bucket, ...upload }],
      );
      await Promise.all(named.map((upload) => this.abandon(upload, idleSince)));
      if (last === undefined) return;
      after = last;
      await this.pacer.pause();
    }
  }

  private async abandon(upload: { bucket: string; key: string; uploadId: string }, idleSince: number) {
    const { store, clock, log } = this.parts;
    try {
      await store.submit<"abandonUpload">({ type: "abandonUpload", ...upload, idleSince, at: clock.now() });
      this.aborted++;
      log.info("aborted an abandoned upload", { bucket: upload.bucket, uploadId: upload.uploadId });
    } catch (error) {
      // It went on, was completed or aborted in between.
      if (!(error instanceof MasterError) || error.code === "NOT_READY") throw error;
    }
  }

  async close(): Promise<void> {
    this.pacer.stop();
    await this.running;
  }
}
