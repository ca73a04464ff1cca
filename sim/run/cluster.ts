// A cluster in a world, and somebody who starts again what stopped, as the supervisor of `skerry up` does.
import type { MasterOptions } from "../../masterd/server/start.ts";
import type { SimNode } from "../world/node.ts";
import { CHUNKSERVER_PORT, type Client, MASTER_PORT, type Roles } from "../world/roles.ts";
import type { World } from "../world/world.ts";
import type { Plan } from "./plan.ts";

/** Until a program that ended by itself is started again, ms. */
const RESTART_MS = 1_000;

export const MASTER = "m";
export const MASTER_ADDRESS = `${MASTER}:${MASTER_PORT}`;
export const CHUNK_DIRECTORY = "/data/chunks/chunks";

export type Role = "master" | "chunkserver" | "client";

/** Graces that let garbage go within simulated minutes. Each is still longer than what it protects against. */
export const GRACES = {
  orphanGraceMs: 120_000,
};

/** Chunkservers tell again all that they have. */
const REPORT_MS = 60_000;

/** Silent damage is found within a minute or two. */
const SCRUB = { bytesPerSecond: 64 << 20, periodMs: 60_000 };

/** One machine and its role. */
export class Member {
  /** Somebody has switched it off on purpose: it is not started again before that is undone. */
  isHeld = false;
  /** It may take its disk for failed, marked as such or not: an operator is to look after it. */
  hadDiskErrors = false;
  /** The operator has asked the master to remove it: it may be that it is not wanted any more. */
  mayBeRemoved = false;
  /** Removed from the cluster, and never started again. */
  isRetired = false;
  /** Its program serves. */
  isReady = false;
  /** Of its disk, while it is not made full. */
  readonly capacityBytes: number;
  /** Start number; what an earlier start still has to say does not count. */
  private life = 0;

  constructor(
    readonly world: World,
    readonly role: Role,
    readonly node: SimNode,
    private readonly program: (member: Member) => Promise<unknown>,
    /** Told when the program ended by itself or could not start. */
    private readonly onEnd: (member: Member, error: Error) => void,
  ) {
    this.capacityBytes = node.disk.capacityBytes;
  }

  get name(): string {
    return this.node.name;
  }

  get address(): string {
    return `${this.name}:${CHUNKSERVER_PORT}`;
  }

  start(): void {
    if (this.isRetired) return;
    this.isHeld = false;
    if (this.node.isUp) return;
    const life = ++this.life;
    this.program(this).then(
      () => {
        if (life === this.life) this.isReady = true;
      },
      (error: Error) => {
        if (life === this.life) this.ended(error);
      },
    );
  }

  /** The program has ended by itself, or is to. */
  ended(error: Error): void {
    this.stop("crash");
    this.isHeld = false;
    this.onEnd(this, error);
    this.world.after(RESTART_MS, () => {
      if (!this.isHeld) this.start();
    });
  }

  /** Ends it, until {@link start}. */
  stop(how: "crash" | "powerLoss"): void {
    this.life++;
    this.isHeld = true;
    this.isReady = false;
    this.node[how]();
  }
}

export interface ClusterEvents {
  /** A client process has begun (again). */
  onClient(member: Member, client: Client): void;
  /** A program ended by itself. */
  onEnd(member: Member, error: Error): void;
}

export class Cluster {
  readonly master: Member;
  readonly chunkservers: Member[] = [];
  private named = 0;
  readonly clients: Member[] = [];

  constructor(
    readonly world: World,
    private readonly roles: Roles,
    private readonly plan: Plan,
    private readonly events: ClusterEvents,
    masterOptions: Partial<MasterOptions> = {},
  ) {
    const { leaseMs, goneMs, deleteGraceMs, garbage } = plan;
    const options = { ...GRACES, ...garbage, leaseMs, goneMs, deleteGraceMs, ...masterOptions };
    this.master = this.member(MASTER, "master", (member) =>
      roles.startMaster(member.node, options, (error) => member.ended(error)),
    );
    for (let i = 1; i <= plan.chunkservers; i++) this.addChunkserver(this.newChunkserverName());
    for (let i = 1; i <= plan.clients; i++) this.addClient(`k${i}`);
  }

  get members(): Member[] {
    return [this.master, ...this.chunkservers, ...this.clients];
  }

  newChunkserverName(): string {
    return `c${++this.named}`;
  }

  /** The cluster has no such chunkserver any more. */
  retire(member: Member): void {
    if (member.isRetired) return;
    if (!member.isHeld) member.stop("crash");
    member.isRetired = true;
    this.chunkservers.splice(this.chunkservers.indexOf(member), 1);
  }

  addChunkserver(name: string): Member {
    const member = this.member(name, "chunkserver", async ({ node }) => {
      const options = { master: MASTER_ADDRESS, scrub: SCRUB, reportMs: REPORT_MS };
      const server = await this.roles.startChunkserver(node, options);
      await server.registered;
    });
    this.chunkservers.push(member);
    return member;
  }

  addClient(name: string): Member {
    const member = this.member(name, "client", async (own) => {
      const client = await this.roles.startClient(own.node, { master: MASTER_ADDRESS });
      this.events.onClient(own, client);
    });
    this.clients.push(member);
    return member;
  }

  private member(name: string, role: Role, program: (member: Member) => Promise<unknown>): Member {
    const node = this.world.node(name, this.plan.node(name));
    return new Member(this.world, role, node, program, (member, error) => this.events.onEnd(member, error));
  }
}

/** The names in a member's directory of chunk files. */
export function chunkNames(member: Member): string[] {
  const found = member.node.disk.list(new RegExp(`^${CHUNK_DIRECTORY}/[^/]+$`));
  return found.map(({ path }) => path.slice(CHUNK_DIRECTORY.length + 1));
}

/** What a program would read now of one of these files; undefined when there is none of that name. */
export function chunkFile(member: Member, name: string): Buffer | undefined {
  const path = `${CHUNK_DIRECTORY}/${name}`;
  const { disk } = member.node;
  return disk.list(new RegExp(`^${path}$`)).length > 0 ? disk.contentOf(path) : undefined;
}

/** The chunk files of a member, read when they are asked for. */
export class ChunkFiles {
  private readonly names: Set<string>;
  private readonly contents = new Map<string, Buffer>();

  constructor(private readonly member: Member) {
    this.names = new Set(chunkNames(member));
  }

  keys(): Iterable<string> {
    return this.names;
  }

  has(name: string): boolean {
    return this.names.has(name);
  }

  get(name: string): Buffer | undefined {
    if (!this.names.has(name)) return undefined;
    const content = this.contents.get(name) ?? chunkFile(this.member, name);
    if (content) this.contents.set(name, content);
    return content;
  }
}
