// Multipart uploads, shared by all clients so that parts, completions and aborts of one upload race (F33).
import type { ObjectStore, Payload } from "../../apis/storage/objects.ts";
import { joinedEtag, type Piece } from "../check/content.ts";
import type { Condition, Entry } from "../check/history.ts";
import type { SeededRandom } from "../world/seeded-random.ts";
import { failed } from "./answers.ts";
import { BUCKET, conditionOf, identityOf, type Shared } from "./shared.ts";

export interface Uploader {
  name: string;
  store: ObjectStore;
  random: SeededRandom;
  shared: Shared;
  newName(kind: string): string;
  size(): number;
  payload(pieces: readonly Piece[], md5: string): Payload;
  note(what: string, error: unknown): void;
}

interface Part {
  etag: string;
  piece: Piece;
}

interface Upload {
  key: string;
  uploadId: string;
  /** What the object's metadata will say. */
  name: string;
  condition: Condition | undefined;
  parts: Map<number, Part>;
  /** By etag of the whole: repeated completions with the same parts are one operation. */
  completions: Map<string, Entry>;
  /** A moment at which it was surely gone without having become an object. */
  abortedAt: number | undefined;
}

/** The least that a part may have which is not the last. */
const PART_SIZE_MIN = 5 << 20;
/** Uploads that clients know of at once; the oldest are left to themselves. */
const KNOWN_MAX = 6;

export class Uploads {
  private readonly known: Upload[] = [];

  async start(by: Uploader, key: string): Promise<void> {
    const name = by.newName("u");
    const condition: Condition | undefined = by.random.chance(0.2) ? { ifNoneMatch: "*" } : undefined;
    try {
      const attributes = { headers: {}, metadata: { write: name }, checksums: {} };
      const { uploadId } = await by.store.master.createUpload({
        bucket: BUCKET,
        key,
        owner: "u",
        attributes,
      });
      const upload = {
        key,
        uploadId,
        name,
        condition,
        parts: new Map(),
        completions: new Map(),
        abortedAt: undefined,
      };
      this.known.push(upload);
      if (this.known.length > KNOWN_MAX) this.known.shift();
    } catch (error) {
      failed(error);
      by.note("startUpload", error);
    }
  }

  private pick(by: Uploader): Upload | undefined {
    return this.known.length > 0 ? by.random.pick(this.known) : undefined;
  }

  async putPart(by: Uploader): Promise<void> {
    const upload = this.pick(by);
    if (!upload) return;
    const partNumber = by.random.chance(0.7) ? 1 : by.random.int(2, 3);
    // Any part but the last has to be large; large ones are costly, so most uploads have a single part.
    const isLarge = partNumber === 1 && by.random.chance(0.15);
    const piece = { name: by.newName("p"), size: isLarge ? PART_SIZE_MIN : by.size() };
    const etag = by.shared.history.announce([piece]);
    const { key, uploadId } = upload;
    try {
      await by.store.putPart({ bucket: BUCKET, key, uploadId, partNumber }, by.payload([piece], etag));
      upload.parts.set(partNumber, { etag, piece });
    } catch (error) {
      failed(error);
      by.note("putPart", error);
    }
  }

  async complete(by: Uploader): Promise<void> {
    const upload = this.pick(by);
    if (!upload || upload.parts.size === 0) return;
    const { key, uploadId, condition } = upload;
    const { history, violations } = by.shared;
    const listed = [...upload.parts].sort(([a], [b]) => a - b);
    const parts = listed.map(([partNumber, { etag }]) => ({ partNumber, etag }));
    const whole = joinedEtag(parts.map(({ etag }) => etag));
    const value = identityOf(upload.name, whole);
    if (!upload.completions.has(whole)) {
      history.announce(
        listed.map(([, { piece }]) => piece),
        whole,
      );
      history.addValue(value, key, whole);
      upload.completions.set(whole, history.begin(by.name, { kind: "complete", key, value, condition }));
    }
    const entry = upload.completions.get(whole)!;
    const startedAt = history.now();
    try {
      const request = {
        bucket: BUCKET,
        key,
        uploadId,
        parts,
        checksums: {},
        condition: conditionOf(condition),
      };
      const { etag } = await by.store.master.completeUpload(request);
      const wrong = (what: string): void =>
        void violations.push({
          promise: "P6",
          what,
          detail: [`upload ${upload.name} of "${key}", etag ${etag}`],
        });
      if (etag !== whole) wrong("a completed upload has an etag that is not its parts'");
      if (upload.abortedAt !== undefined && upload.abortedAt < startedAt && entry.answer?.is !== "done") {
        wrong("an aborted upload was completed");
      }
      if (entry.answer?.is === "refused") wrong("an upload was completed after it was said to be gone");
      const others = [...upload.completions.values()].filter((other) => other !== entry);
      if (others.some(({ answer }) => answer?.is === "done"))
        wrong("an upload was completed twice, with other parts");
      if (entry.answer === undefined) history.end(entry, { is: "done" });
    } catch (error) {
      this.completionFailed(by, upload, entry, startedAt, error);
    }
  }

  private completionFailed(
    by: Uploader,
    upload: Upload,
    entry: Entry,
    startedAt: number,
    error: unknown,
  ): void {
    const { history, violations } = by.shared;
    const answer = failed(error);
    by.note("complete", error);
    const { key } = upload;
    if (answer.is === "condition failed") {
      // The upload stays; what was shown is that there was an object meanwhile.
      const shown = history.begin(by.name, entry.request);
      shown.start = startedAt;
      history.end(shown, answer);
    }
    if (answer.is !== "refused" || answer.code !== "NO_SUCH_UPLOAD") return;
    // A completion with these parts would be remembered: so there was none, and there can be none any more.
    if (entry.answer === undefined) history.end(entry, answer);
    else if (entry.answer.is === "done") {
      const what = "a completed upload is unknown when the same completion is repeated";
      violations.push({ promise: "P6", what, detail: [`upload ${upload.name} of "${key}"`] });
    }
  }

  async abort(by: Uploader): Promise<void> {
    const upload = this.pick(by);
    if (!upload) return;
    const { key, uploadId } = upload;
    try {
      await by.store.master.abortUpload({ bucket: BUCKET, key, uploadId });
      upload.abortedAt ??= by.shared.history.now();
    } catch (error) {
      failed(error);
      by.note("abort", error);
    }
  }

  /** Ends every upload that the master still has: afterwards no part is referred to by anything. */
  async abortAll(store: ObjectStore): Promise<void> {
    for (;;) {
      const { uploads } = await store.master.listUploads({ bucket: BUCKET, max: 100 });
      if (uploads.length === 0) return;
      for (const { key, uploadId } of uploads)
        await store.master.abortUpload({ bucket: BUCKET, key, uploadId });
    }
  }
}
