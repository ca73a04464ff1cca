// What becomes of the buckets of users who were removed. The keys that opened them are gone before any of this begins, and a
// user's id is never given again: whatever that id still owns is what is left to do, and so it may be begun anew at any time.
import { RemoteError } from "../../chunkd/protocol/errors.ts";
import type { Bus } from "../../std/bus/bus.ts";
import { subjectParts } from "../../std/bus/subjects.ts";
import type { Log } from "../../std/log.ts";
import type { BucketsFate, UserDeleted } from "../auth/change-events.ts";
import type { ObjectStore } from "./objects.ts";

export const REMOVED_USERS = "storage-removed-users";

/** Of one call to the master. */
const BUCKETS_PAGE = 100;
const OBJECTS_PAGE = 1_000;
/** Some hundred million objects take hours; an attempt that is cut off is gone on with. */
const HANDLER_MS_MAX = 6 * 3_600_000;
/** A master that is away for a day costs no dead letter. */
const RETRY = { firstMs: 500, maxMs: 60_000, attemptsMax: 1_500 };

export interface RemovedUsersParts {
  store: ObjectStore;
  /** Whether there is a user of this id. */
  hasUser(id: string): Promise<boolean>;
  log: Log;
}

/** Gives away or deletes what removed users leave, in one process at a time, until the bus is closed. */
export function settleRemovedUsers(bus: Bus, parts: RemovedUsersParts): void {
  bus.consume({
    name: REMOVED_USERS,
    subjects: ["auth.user.*.deleted"],
    handlerMsMax: HANDLER_MS_MAX,
    retry: RETRY,
    handler: async ({ subject, data }, { signal }) => {
      const { name, buckets } = data as unknown as UserDeleted;
      const work = new Settling(parts, subjectParts(subject)[2]!, signal);
      const settled = await work.run(buckets);
      if (settled > 0) parts.log.info("settled the buckets of a removed user", { name, buckets: settled });
    },
  });
}

class Settling {
  constructor(
    private readonly parts: RemovedUsersParts,
    private readonly userId: string,
    private readonly signal: AbortSignal,
  ) {}

  /** Returns how many buckets it found. */
  async run(fate: BucketsFate | null): Promise<number> {
    const { store, log } = this.parts;
    for (let settled = 0; ; ) {
      this.signal.throwIfAborted();
      const { buckets } = await store.master.listBuckets({ owner: this.userId, max: BUCKETS_PAGE });
      if (buckets.length === 0) return settled;
      if (fate === null) {
        log.error("a removed user owns buckets that were made in the same moment", {
          buckets: buckets.map(({ name }) => name).join(" "),
        });
        return settled;
      }
      for (const { name, createdAt } of buckets) {
        this.signal.throwIfAborted();
        if (fate.to === "owner") await this.give(name, fate.owner);
        else await this.delete(name, createdAt);
        settled++;
      }
    }
  }

  private async give(name: string, newOwner: string): Promise<void> {
    if (!(await this.parts.hasUser(newOwner))) {
      throw new Error(`The user ${newOwner}, who was to get the bucket "${name}", was removed too`);
    }
    await passing(["NO_SUCH_BUCKET", "PRECONDITION_FAILED"], () =>
      this.parts.store.giveBucket(name, this.userId, newOwner),
    );
  }

  private async delete(name: string, createdAt: number): Promise<void> {
    const { store } = this.parts;
    await passing(["NO_SUCH_BUCKET"], async () => {
      for (;;) {
        this.signal.throwIfAborted();
        const now = await store.master.getBucket({ name });
        // Deleted meanwhile, and another of this name made.
        if (now.owner !== this.userId || now.createdAt !== createdAt) return;
        const { objects } = await store.master.listObjects({ bucket: name, max: OBJECTS_PAGE });
        if (objects.length > 0) await this.deleteObjects(name, objects);
        else if (await passing(["BUCKET_NOT_EMPTY"], () => store.deleteBucket(name))) return;
      }
    });
  }

  /** Of what was listed and nothing newer. */
  private async deleteObjects(
    bucket: string,
    listed: readonly { key: string; etag: string }[],
  ): Promise<void> {
    const objects = listed.map(({ key, etag }) => ({ key, condition: { ifMatch: [etag] } }));
    const { results } = await this.parts.store.master.deleteObjects({ bucket, objects });
    for (const { key, error } of results) {
      // Somebody was quicker.
      if (!error || ["NO_SUCH_KEY", "PRECONDITION_FAILED"].includes(error.code)) continue;
      throw new Error(`The object "${key}" of "${bucket}" cannot be deleted: ${error.message}`);
    }
  }
}

/** False where `work` fails with one of these codes. */
async function passing(codes: readonly string[], work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (error instanceof RemoteError && codes.includes(error.code)) return false;
    throw error;
  }
}
