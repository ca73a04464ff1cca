// What one client process does: a few users at once, each doing one thing after another, all of it written down.
import type { ObjectStore } from "../../apis/storage/objects.ts";
import type { ObjectRecord } from "../../masterd/protocol/messages.ts";
import type { Clock } from "../../std/clock.ts";
import { delay } from "../../std/clock.ts";
import type { Condition, Entry } from "../check/history.ts";
import { checkPage } from "../check/listing.ts";
import { checkBytes, checkRecord, type ReadRecord } from "../check/reads.ts";
import type { Violation } from "../check/violation.ts";
import type { SeededRandom } from "../world/seeded-random.ts";
import { codeOf, failed } from "./answers.ts";
import { payloadOf } from "./payload.ts";
import { BUCKET, conditionOf, identityOf, OPERATIONS, type OperationName, type Shared } from "./shared.ts";
import { BYTES_PER_LARGE_RUN, BYTES_PER_RUN, drawSize } from "./sizes.ts";
import type { Uploads } from "./uploads.ts";

export interface ClientParts {
  name: string;
  store: ObjectStore;
  clock: Clock;
  random: SeededRandom;
}

export class WorkloadClient {
  private counter = 0;

  constructor(
    private readonly parts: ClientParts,
    private readonly shared: Shared,
    private readonly uploads: Uploads,
  ) {}

  private get name(): string {
    return this.parts.name;
  }

  /** `users` do one operation after another until the run is over. */
  async run(users: number): Promise<void> {
    await Promise.all(Array.from({ length: users }, () => this.user()));
  }

  private async user(): Promise<void> {
    const { random, clock } = this.parts;
    await delay(clock, random.exponential(this.shared.thinkMs));
    while (!this.shared.isOver) {
      await this.perform(this.drawOperation());
      await delay(clock, random.exponential(this.shared.thinkMs));
    }
  }

  private drawOperation(): OperationName {
    const { weights } = this.shared;
    const total = OPERATIONS.reduce((sum, name) => sum + weights[name], 0);
    let draw = this.parts.random.between(0, total);
    for (const name of OPERATIONS) {
      draw -= weights[name];
      if (draw < 0) return name;
    }
    return "get";
  }

  async perform(operation: OperationName): Promise<void> {
    const { uploads } = this;
    const { keys } = this.shared;
    const { random } = this.parts;
    const key = keys.pick(random);
    switch (operation) {
      case "put":
        return this.put(key);
      case "putIf":
        return this.put(key, await this.condition(key));
      case "get":
        return this.get(key);
      case "head":
        await this.head(key);
        return;
      case "delete":
        return this.delete(key, random.chance(0.15) ? await this.condition(key) : undefined);
      case "deleteMany":
        return this.deleteMany(Array.from({ length: random.int(1, 8) }, () => keys.pick(random)));
      case "copy":
        return this.copy(keys.pick(random), key);
      case "list":
        await this.list(
          keys.prefix(random),
          random.chance(0.4) ? "/" : undefined,
          random.pick([1, 3, 10, 1000]),
        );
        return;
      case "startUpload":
        return uploads.start(this.uploader, key);
      case "putPart":
        return uploads.putPart(this.uploader);
      case "complete":
        return uploads.complete(this.uploader);
      case "abort":
        return uploads.abort(this.uploader);
    }
  }

  private get uploader() {
    return {
      ...this.parts,
      shared: this.shared,
      newName: (kind: string) => this.newName(kind),
      size: () => this.size(),
      payload: (pieces: Parameters<typeof payloadOf>[0], md5: string) => this.payload(pieces, md5),
      note: (what: string, error: unknown) => this.note(what, error),
    };
  }

  /** A name that no other write of the run has: it is the value's identity and the beginning of its bytes. */
  private newName(kind: string): string {
    return `${kind}-${this.name}-${++this.counter}`;
  }

  private size(): number {
    const { sizes, bytesPut } = this.shared;
    const size = drawSize(this.parts.random, sizes);
    const most = sizes.wholeChunk > 0 ? BYTES_PER_LARGE_RUN : BYTES_PER_RUN;
    const allowed = bytesPut + size > most ? this.parts.random.int(0, 100) : size;
    this.shared.bytesPut += allowed;
    return allowed;
  }

  private payload(pieces: Parameters<typeof payloadOf>[0], md5: string) {
    const { clock, random } = this.parts;
    const { slow, leave } = this.shared;
    return payloadOf(pieces, md5, { clock, random, slow, leave });
  }

  /** A condition that holds now and then: no object, or the one that was there a moment ago. */
  private async condition(key: string): Promise<Condition> {
    if (this.parts.random.chance(0.5)) return { ifNoneMatch: "*" };
    const etag = await this.head(key);
    return etag === undefined ? { ifNoneMatch: "*" } : { ifMatch: etag };
  }

  private async put(key: string, condition?: Condition): Promise<void> {
    const { history } = this.shared;
    const value = this.newName("w");
    const pieces = [{ name: value, size: this.size() }];
    const etag = history.announce(pieces);
    history.addValue(value, key, etag);
    const entry = history.begin(this.name, { kind: "put", key, value, condition });
    const attributes = { headers: {}, metadata: { write: value }, checksums: {} };
    await this.settle(entry, async () => {
      const payload = this.payload(pieces, etag);
      await this.parts.store.put(BUCKET, key, payload, () => attributes, conditionOf(condition));
      history.end(entry, { is: "done" });
    });
  }

  private async delete(key: string, condition?: Condition): Promise<void> {
    const { history } = this.shared;
    const entry = history.begin(this.name, { kind: "delete", key, condition });
    await this.settle(entry, async () => {
      const request = { bucket: BUCKET, key, condition: conditionOf(condition) };
      const { deleted } = await this.parts.store.master.deleteObject(request);
      history.end(entry, { is: "done", deleted });
    });
  }

  private async deleteMany(keys: string[]): Promise<void> {
    const { history } = this.shared;
    const distinct = [...new Set(keys)];
    const entries = new Map(distinct.map((key) => [key, history.begin(this.name, { kind: "delete", key })]));
    try {
      const objects = distinct.map((key) => ({ key }));
      const { results } = await this.parts.store.master.deleteObjects({ bucket: BUCKET, objects });
      for (const { key, deleted, error } of results) {
        history.end(entries.get(key)!, error ? failed(error) : { is: "done", deleted });
      }
    } catch (error) {
      this.note("deleteMany", error);
      for (const entry of entries.values()) if (!entry.answer) history.end(entry, failed(error));
    }
  }

  /** Deletes every key there is. */
  async deleteAll(): Promise<void> {
    for (const key of this.shared.keys.all) await this.delete(key);
  }

  private async copy(source: string, key: string): Promise<void> {
    if (source === key) return;
    const { history } = this.shared;
    const value = this.newName("c");
    history.addValue(value, key, undefined);
    const entry = history.begin(this.name, { kind: "copy", source, key, value });
    const attributes = { headers: {}, metadata: { write: value }, checksums: {} };
    await this.settle(entry, async () => {
      const request = { source: { bucket: BUCKET, key: source }, bucket: BUCKET, key, attributes };
      const { etag } = await this.parts.store.master.copyObject(request);
      history.learnEtag(value, etag);
      history.end(entry, { is: "done", etag });
    });
  }

  /** Resolves with the etag that it found. */
  private async head(key: string): Promise<string | undefined> {
    const { history } = this.shared;
    const entry = history.begin(this.name, { kind: "head", key });
    let found: string | undefined;
    await this.settle(entry, async () => {
      const { object } = await this.parts.store.master.headObject({ bucket: BUCKET, key });
      const read = this.recordOf(object);
      history.end(entry, { is: "found", value: read.value, etag: read.etag });
      this.shared.violations.push(...checkRecord(history, read));
      found = read.etag;
    });
    return found;
  }

  private recordOf(object: Omit<ObjectRecord, "extents">): ReadRecord {
    const { key, etag, size, attributes } = object;
    return { client: this.name, key, value: identityOf(attributes.metadata.write ?? "", etag), etag, size };
  }

  /** Reads all of the object or a part of it; `mustSucceed` makes any failure a violation. */
  async get(key: string, mustSucceed = false): Promise<void> {
    const { history, violations } = this.shared;
    const { store, random } = this.parts;
    const entry = history.begin(this.name, { kind: "get", key });
    await this.settle(entry, async () => {
      const { object, read } = await store.open(BUCKET, key);
      const record = this.recordOf(object);
      history.end(entry, { is: "found", value: record.value, etag: record.etag });
      const wrong = checkRecord(history, record);
      violations.push(...wrong);
      if (wrong.length > 0) return;
      const range =
        mustSucceed || random.chance(0.6) ? { start: 0, end: object.size } : this.range(object.size);
      const at = history.entries.length;
      const { bytes, error } = await this.receive(read(range.start, range.end), mustSucceed);
      violations.push(...checkBytes(history, record, bytes, range, error === undefined));
      const isOvertaken = history.entries.slice(at).some((later) => changes(later, key));
      if (isOvertaken)
        this.shared.count(`downloads overtaken, ${error === undefined ? "whole" : "broken off"}`);
      if (error === undefined) return;
      this.note("get", error);
      if (mustSucceed) violations.push(unreadable(record, error));
    });
    if (mustSucceed && entry.answer?.is !== "found" && entry.answer?.is !== "absent") {
      violations.push(unreadable({ client: this.name, key }, entry.answer));
    }
  }

  private range(size: number): { start: number; end: number } {
    const { random } = this.parts;
    const start = random.int(0, size);
    return {
      start,
      end: random.chance(0.5) ? Math.min(size, start + random.int(0, 70_000)) : random.int(start, size),
    };
  }

  /** What the stream gave before it ended, broke off or was given up. */
  private async receive(
    stream: AsyncIterable<Uint8Array>,
    isPatient: boolean,
  ): Promise<{ bytes: Buffer; error: unknown }> {
    const { clock, random } = this.parts;
    const { slow, leave } = this.shared;
    const received: Uint8Array[] = [];
    try {
      for await (const bytes of stream) {
        received.push(bytes);
        if (!isPatient && random.chance(slow)) await delay(clock, random.exponential(1500));
        if (!isPatient && random.chance(leave)) return { bytes: Buffer.concat(received), error: "left" };
      }
    } catch (error) {
      failed(error);
      return { bytes: Buffer.concat(received), error };
    }
    return { bytes: Buffer.concat(received), error: undefined };
  }

  /** Walks a whole listing; resolves with the keys it showed, or undefined when it broke off. */
  async list(prefix: string, delimiter: string | undefined, max: number): Promise<string[] | undefined> {
    const { history, violations } = this.shared;
    const shown: string[] = [];
    let after: string | undefined;
    do {
      const start = history.now();
      try {
        const request = { bucket: BUCKET, prefix, delimiter, after, max };
        const answer = await this.parts.store.master.listObjects(request);
        const page = { client: this.name, start, end: history.now(), prefix, delimiter, after, max };
        const { objects, commonPrefixes, next } = answer;
        const whole = { ...page, objects, commonPrefixes, next };
        const wrong = checkPage(history, whole);
        violations.push(...wrong);
        history.addPage(whole);
        if (wrong.length > 0) return undefined;
        shown.push(...objects.map(({ key }) => key));
        after = next;
      } catch (error) {
        failed(error);
        this.note("list", error);
        return undefined;
      }
    } while (after !== undefined);
    return shown;
  }

  /** Runs an operation and writes down how it failed, where it does. */
  private async settle(entry: Entry, run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      const answer = failed(error);
      if (answer.is !== "absent" && answer.is !== "condition failed") this.note(entry.request.kind, error);
      this.shared.history.end(entry, answer);
    }
  }

  private note(what: string, error: unknown): void {
    const { failures } = this.shared;
    const name = `${what} ${codeOf(error)}`;
    failures.set(name, (failures.get(name) ?? 0) + 1);
  }
}

/** Whether `entry` has made something else of `key`. */
function changes({ request, answer }: Entry, key: string): boolean {
  return answer?.is === "done" && request.key === key && request.kind !== "get" && request.kind !== "head";
}

function unreadable(record: { client: string; key: string }, error: unknown): Violation {
  const cause = error instanceof Error ? `${codeOf(error)}: ${error.message}` : JSON.stringify(error);
  return {
    promise: "P1",
    what: `"${record.key}" cannot be read though nothing is broken any more`,
    detail: [cause],
  };
}
