// A whole cluster under load and faults, as one seed makes it.
import type { Payload } from "../../../apis/storage/objects.ts";
import type { SimNode } from "../node.ts";
import type { Roles } from "../roles.ts";
import { World, type WorldOptions } from "../world.ts";

const CHUNKSERVERS = ["c1", "c2", "c3", "c4"];
const WORKERS = 3;
const STEPS_MS = 20_000;
export const BUCKET = "bucket";

export function payloadOf(bytes: Buffer): Payload {
  async function* stream() {
    yield bytes;
  }
  const md5Hex = new Bun.CryptoHasher("md5").update(bytes).digest("hex");
  return { stream: stream(), length: bytes.length, result: () => ({ md5Hex, checksums: {} }) };
}

/** A master, four chunkservers and a client, and what was acknowledged to it. */
export class Scenario {
  readonly world: World;
  readonly acknowledged = new Map<string, Buffer>();
  failures = 0;
  readonly chunkservers: SimNode[];
  private readonly masterNode: SimNode;

  constructor(
    private readonly roles: Roles,
    seed: number,
    options: WorldOptions = {},
  ) {
    const { loss = 0.001, ...network } = options.network ?? {};
    this.world = new World(seed, { ...options, network: { loss, ...network } });
    const random = this.world.random("skews");
    const node = (name: string): SimNode =>
      this.world.node(name, { skewMs: random.int(-60_000, 60_000), driftPpm: random.int(-100, 100) });
    this.masterNode = node("m");
    this.chunkservers = CHUNKSERVERS.map(node);
  }

  get nodes(): SimNode[] {
    return [this.masterNode, ...this.chunkservers];
  }

  async startAll(): Promise<void> {
    const { roles, world } = this;
    await world.run(roles.startMaster(this.masterNode), 30_000);
    const started = await world.run(
      Promise.all(this.chunkservers.map((node) => roles.startChunkserver(node, { master: "m:9000" }))),
      30_000,
    );
    await world.run(Promise.all(started.map(({ registered }) => registered)), 120_000);
  }

  private client(name: string) {
    return this.world.run(this.roles.startClient(this.world.node(name), { master: "m:9000" }), 1_000);
  }

  /** Workers write objects of all sizes, each under a key of its own, for `ms`. */
  async load(ms: number): Promise<void> {
    const { world } = this;
    const client = await this.client("writer");
    await world.run(client.master.createBucket({ name: BUCKET, owner: "o" }), 60_000);
    const until = world.time + ms;
    const work = async (worker: number): Promise<void> => {
      const random = world.random(`worker ${worker}`);
      for (let i = 0; world.time < until; i++) {
        const bytes = random.bytes(
          random.chance(0.05) ? random.int(1 << 20, 3 << 20) : random.int(0, 20_000),
        );
        const key = `${worker}/${i}`;
        try {
          await client.store.put(BUCKET, key, payloadOf(bytes), (checksums) => ({
            headers: {},
            metadata: {},
            checksums,
          }));
          this.acknowledged.set(key, bytes);
          world.trace("acknowledged", key, bytes.length);
        } catch (error) {
          this.failures++;
          world.trace("failed", key, (error as { code?: string }).code);
        }
        await world.delay(random.exponential(100));
      }
    };
    await world.run(Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker))), ms + 300_000);
  }

  /** One fault after the other, each ended before the next. */
  async trouble(ms: number): Promise<void> {
    const { world } = this;
    const random = world.random("trouble");
    const until = world.time + ms;
    while (world.time < until) {
      await world.delay(random.exponential(STEPS_MS / 10));
      const node = random.pick(this.nodes);
      const other = random.pick(this.nodes.filter((one) => one !== node));
      const faults: (() => Promise<void>)[] = [
        async () => {
          node.crash();
          await world.delay(random.exponential(300));
          void node.restart();
        },
        async () => {
          node.powerLoss();
          await world.delay(random.exponential(2_000));
          void node.restart();
        },
        async () => {
          node.pause();
          await world.delay(random.exponential(1_000));
          node.resume();
        },
        async () => {
          world.network.partition(node.name, other.name, { oneWay: random.chance(0.5) });
          await world.delay(random.exponential(3_000));
          world.network.heal();
        },
        async () => {
          world.network.reset(node.name, other.name);
        },
        async () => {
          node.disk.faults.slowness = 100;
          await world.delay(random.exponential(2_000));
          node.disk.faults.clear();
        },
      ];
      await random.pick(faults)();
    }
  }

  /** Pulls every plug at once and starts everything again. */
  async powerLossOfAll(): Promise<void> {
    for (const node of this.nodes) node.powerLoss();
    await this.world.pass(1_000);
    await this.startAll();
  }

  /** Reads every acknowledged object. Returns the keys whose bytes are not what was acknowledged. */
  async wrongKeys(): Promise<string[]> {
    const client = await this.client(`reader-${Math.round(this.world.time)}`);
    const read = async (key: string): Promise<Buffer> => {
      const { object, read } = await client.store.open(BUCKET, key);
      const pieces: Uint8Array[] = [];
      for await (const piece of read(0, object.size)) pieces.push(piece);
      return Buffer.concat(pieces);
    };
    const wrong: string[] = [];
    for (const [key, bytes] of this.acknowledged) {
      const found = await this.world.run(read(key).catch(String), 60_000);
      if (typeof found === "string" || !found.equals(bytes)) wrong.push(key);
    }
    return wrong;
  }
}
