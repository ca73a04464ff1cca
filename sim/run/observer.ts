// A machine beside the cluster that nothing happens to. An operator works there; and it asks every chunkserver directly for
// what was committed, whatever the master says of who has it: none may answer with other bytes (P8).
import type { MasterConnection } from "../../masterd/client/client.ts";
import { contentOf } from "../check/content.ts";
import type { Violation } from "../check/violation.ts";
import { failed } from "../workload/answers.ts";
import { BUCKET, type Shared } from "../workload/shared.ts";
import type { SimNode } from "../world/node.ts";
import type { Client } from "../world/roles.ts";
import type { SeededRandom } from "../world/seeded-random.ts";
import type { World } from "../world/world.ts";
import type { Cluster, Member } from "./cluster.ts";

const BLOCK_SIZE = 64 << 10;
const RECORD_PAYLOAD_MAX = 1 << 20;
/** Between two looks, ms. */
const LOOK_MS = 700;
/** Objects whose content is worked out for a look, bytes. */
const OBJECT_SIZE_MAX = 8 << 20;

/** One record of an object: where it lies, and what is in it. */
interface Committed {
  key: string;
  handle: number;
  offset: number;
  bytes: Buffer;
}

export class Observer {
  private isLooking = false;

  constructor(
    readonly node: SimNode,
    readonly client: Client,
    private readonly parts: { world: World; cluster: Cluster; shared: Shared; random: SeededRandom },
  ) {}

  get master(): MasterConnection {
    return this.client.master;
  }

  /** Looks again and again, one look at a time. */
  start(): void {
    this.parts.world.after(LOOK_MS, () => {
      if (!this.isLooking) {
        this.isLooking = true;
        void this.look().finally(() => {
          this.isLooking = false;
        });
      }
      this.start();
    });
  }

  private async look(): Promise<void> {
    const committed = await this.draw();
    if (!committed) return;
    await Promise.all(this.parts.cluster.chunkservers.map((member) => this.ask(member, committed)));
  }

  /** Some record that an object consists of now. */
  private async draw(): Promise<Committed | undefined> {
    const { shared, random } = this.parts;
    const key = shared.keys.pick(random);
    try {
      const { object } = await this.master.getObject({ bucket: BUCKET, key });
      const pieces = shared.history.contentWith(object.etag);
      if (!pieces || object.extents.length === 0 || object.size > OBJECT_SIZE_MAX) return undefined;
      const index = random.int(0, object.extents.length - 1);
      const { handle, offset, length } = object.extents[index]!;
      const from = object.extents.slice(0, index).reduce((sum, extent) => sum + extent.length, 0);
      const end = from + Math.min(length, RECORD_PAYLOAD_MAX);
      return { key, handle, offset, bytes: contentOf(pieces).subarray(from, end) };
    } catch (error) {
      failed(error);
      return undefined;
    }
  }

  private async ask({ name, address }: Member, { key, handle, offset, bytes }: Committed): Promise<void> {
    const { shared } = this.parts;
    const blockCount = Math.max(1, Math.ceil(bytes.length / BLOCK_SIZE));
    try {
      const answer = await this.client.readRecord(address, { handle, offset, firstBlock: 0, blockCount });
      shared.count("records asked of chunkservers directly: answered");
      const payload = answer.subarray(answer.length - bytes.length);
      if (answer.length > bytes.length && payload.equals(bytes)) return;
      const what = `${name} answered with other bytes than those of "${key}" in chunk ${handle} at ${offset}`;
      shared.violations.push(wrong(what, `${answer.length} bytes, expected ${bytes.length} behind a head`));
    } catch (error) {
      failed(error);
      shared.count("records asked of chunkservers directly: refused");
    }
  }
}

function wrong(what: string, detail: string): Violation {
  return { promise: "P8", what, detail: [detail] };
}
