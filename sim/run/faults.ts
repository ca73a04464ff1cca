// Everything that a run may do to a cluster. Each fault undoes itself after a while; what is not undone when the faults
// end is undone then.
import type { Atlas } from "./atlas.ts";
import { CHUNK_DIRECTORY, chunkNames, type Member } from "./cluster.ts";
import type { Fault, FaultContext } from "./fault-context.ts";
import { FILE_FAULTS } from "./file-faults.ts";
import { OPERATOR_FAULTS } from "./operator-faults.ts";

const DAY_MS = 24 * 60 * 60_000;

function stop(
  c: FaultContext,
  members: readonly Member[],
  how: "crash" | "powerLoss",
  awayMs: number,
): string | undefined {
  const running = members.filter(({ isHeld }) => !isHeld);
  if (running.length === 0) return undefined;
  for (const member of running) member.stop(how);
  for (const member of running) c.later(awayMs * c.random.between(0.5, 1.5), () => member.start());
  return `${running.map(({ name }) => name).join(", ")} for ${Math.round(awayMs)} ms`;
}

/** Away for a moment, for longer than a lease, or for so long that its replicas are taken for lost. */
function awayMs({ random, plan }: FaultContext): number {
  const kind = random.float();
  if (kind < 0.6) return random.exponential(1_000);
  if (kind < 0.85) return random.exponential(8_000);
  return plan.goneMs * random.between(1, 1.6);
}

function pause(c: FaultContext, member: Member): string | undefined {
  if (member.isHeld) return undefined;
  const ms = c.random.chance(0.6) ? c.random.exponential(2_000) : c.plan.leaseMs * c.random.between(0.8, 2);
  member.node.pause();
  c.later(ms, () => member.node.resume());
  return `${member.name} for ${Math.round(ms)} ms`;
}

function partition(c: FaultContext, from: Member[], to: Member[], ms: number): string {
  const oneWay = c.random.chance(0.3);
  const { network } = c.world;
  const names = (members: Member[]): string => members.map(({ name }) => name).join(", ");
  for (const a of from) for (const b of to) network.partition(a.name, b.name, { oneWay });
  c.later(ms, () => {
    for (const a of from) for (const b of to) network.mend(a.name, b.name);
  });
  return `${names(from)} ${oneWay ? "to" : "and"} ${names(to)} for ${Math.round(ms)} ms`;
}

/**
 * The master ends every lease, and its fence gets to one replica long after the others have answered. Meanwhile writers, who
 * know nothing of it, go on, and what they have appended by then comes to be committed when its chunk has been sealed.
 */
function lateFences(c: FaultContext): string {
  const { master, chunkservers, clients } = c.cluster;
  const { network } = c.world;
  const names = new Set(chunkservers.flatMap((member) => chunkNames(member)));
  const handles = [...names].map((name) => Number.parseInt(name, 16)).filter(Number.isSafeInteger);
  const late = c.random.pick(chunkservers);
  const ms = c.random.between(500, 4_000);
  network.clog(master.name, late.name, ms);
  c.operate((connection) => connection.closeChunks({ handles }));
  c.world.after(c.random.between(2, 20), () => {
    for (const { name } of clients) network.clog(name, master.name, ms);
  });
  return `to ${late.name} for ${Math.round(ms)} ms`;
}

const networkMs = ({ random }: FaultContext): number => random.exponential(random.pick([300, 3_000, 10_000]));

function pair({ random, cluster }: FaultContext): [Member, Member] {
  const [a, b] = random.shuffle(cluster.members) as [Member, Member];
  return [a, b];
}

/** Plans a fault for the next write or sync of a running program, and a repair of a chunkserver that it ends. */
function plannedError(c: FaultContext, member: Member, operation: "write" | "sync", error: string): string {
  member.node.disk.faults.next(operation, /./, { error });
  member.hadDiskErrors = true;
  if (member.role === "chunkserver") {
    c.later(c.random.exponential(15_000), () => {
      if (!member.isHeld) repairDisk(c, member);
    });
  }
  return `the next ${operation} on ${member.name} gives ${error}`;
}

const QUARANTINE = "/data/chunks/quarantine.json";

/** Its disk has failed, and says so to whoever starts on it. */
export function isQuarantined({ node }: Member): boolean {
  return node.disk.list(/^\/data\/chunks\/quarantine\.json$/).length > 0;
}

/**
 * What an operator does about a chunkserver whose disk failed: puts an empty one in its place where that loses nothing,
 * and otherwise takes the mark away.
 */
export function repairDisk({ atlas, world }: Pick<FaultContext, "atlas" | "world">, member: Member): void {
  const { disk } = member.node;
  if (!member.isHeld) member.stop("crash");
  if (isQuarantined(member)) {
    const mayWipe = atlas.mayWipe(member);
    world.trace("disk repaired", member.name, mayWipe);
    if (mayWipe) wipeDisk(atlas, member);
    else disk.destroy(QUARANTINE);
  }
  member.hadDiskErrors = false;
  member.start();
}

export function wipeDisk(atlas: Atlas, member: Member): void {
  for (const { path } of member.node.disk.list(new RegExp(`^${CHUNK_DIRECTORY}/`))) {
    atlas.spoil(member, path.slice(CHUNK_DIRECTORY.length + 1));
  }
  member.node.disk.replaceByEmpty();
}

function full(c: FaultContext, members: readonly Member[]): string {
  const ms = c.random.exponential(8_000);
  for (const { node, capacityBytes } of members) {
    node.disk.capacityBytes = node.disk.usedBytes + c.random.pick([0, 5_000, 100_000, 2_000_000]);
    c.later(ms, () => {
      node.disk.capacityBytes = capacityBytes;
    });
  }
  return `${members.map(({ name }) => name).join(", ")} for ${Math.round(ms)} ms`;
}

function slow(c: FaultContext, member: Member): string {
  const { faults } = member.node.disk;
  faults.slowness = c.random.pick([10, 100, 1000]);
  c.later(c.random.exponential(8_000), () => {
    faults.slowness = 1;
  });
  return `${member.name}, ${faults.slowness} times`;
}

function wipe(c: FaultContext): string | undefined {
  const member = c.random.shuffle(c.cluster.chunkservers).find((one) => c.atlas.mayWipe(one));
  if (!member) return undefined;
  if (!member.isHeld) member.stop("crash");
  wipeDisk(c.atlas, member);
  c.later(c.random.exponential(3_000), () => member.start());
  return member.name;
}

export const FAULTS = {
  "crash a chunkserver": (c) => stop(c, [c.random.pick(c.cluster.chunkservers)], "crash", awayMs(c)),
  "crash two chunkservers": (c) =>
    stop(c, c.random.shuffle(c.cluster.chunkservers).slice(0, 2), "crash", awayMs(c)),
  "crash the master": (c) => stop(c, [c.cluster.master], "crash", c.random.exponential(1_500)),
  "crash a client": (c) => stop(c, [c.random.pick(c.cluster.clients)], "crash", c.random.exponential(500)),
  "power loss of a chunkserver": (c) =>
    stop(c, [c.random.pick(c.cluster.chunkservers)], "powerLoss", awayMs(c)),
  "power loss of the master": (c) => stop(c, [c.cluster.master], "powerLoss", c.random.exponential(2_000)),
  "power loss of all chunkservers": (c) =>
    stop(c, c.cluster.chunkservers, "powerLoss", c.random.exponential(2_000)),
  "power loss of everything": (c) => stop(c, c.cluster.members, "powerLoss", c.random.exponential(2_000)),
  "late fences": lateFences,
  "pause a chunkserver": (c) => pause(c, c.random.pick(c.cluster.chunkservers)),
  "pause the master": (c) => pause(c, c.cluster.master),
  "pause a client": (c) => pause(c, c.random.pick(c.cluster.clients)),
  "partition of two": (c) => {
    const [a, b] = pair(c);
    return partition(c, [a], [b], networkMs(c));
  },
  isolation: (c) => {
    const alone = c.random.pick(c.cluster.members);
    const others = c.cluster.members.filter((member) => member !== alone);
    return partition(c, [alone], others, networkMs(c));
  },
  split: (c) => {
    const members = c.random.shuffle(c.cluster.members);
    const at = c.random.int(1, members.length - 1);
    return partition(c, members.slice(0, at), members.slice(at), networkMs(c));
  },
  flapping: (c) => {
    const [a, b] = pair(c);
    const times = c.random.int(3, 10);
    for (let i = 0; i < times; i++) {
      c.world.after(i * 400, () => {
        if (!c.isOver()) partition(c, [a], [b], 200);
      });
    }
    return `${a.name} and ${b.name}, ${times} times`;
  },
  clog: (c) => {
    const [a, b] = pair(c);
    const ms = networkMs(c);
    c.world.network.clog(a.name, b.name, ms);
    return `${a.name} to ${b.name} for ${Math.round(ms)} ms`;
  },
  "lossy link": (c) => {
    const [a, b] = pair(c);
    c.world.network.link(a.name, b.name, { loss: c.random.between(0.05, 0.5) });
    c.later(networkMs(c), () => c.world.network.link(a.name, b.name, { loss: 0 }));
    return `${a.name} to ${b.name}`;
  },
  "broken connections": (c) => {
    const [a, b] = pair(c);
    const count = c.random.chance(0.5)
      ? c.world.network.reset(a.name, b.name)
      : c.world.network.reset(a.name);
    return count > 0 ? `${count} of ${a.name}` : undefined;
  },
  "slow disk": (c) => slow(c, c.random.pick([c.cluster.master, ...c.cluster.chunkservers])),
  "full disk of a chunkserver": (c) => full(c, [c.random.pick(c.cluster.chunkservers)]),
  "full disks of all chunkservers": (c) => full(c, c.cluster.chunkservers),
  "full disk of the master": (c) => full(c, [c.cluster.master]),
  "EIO of a chunkserver's write": (c) =>
    plannedError(c, c.random.pick(c.cluster.chunkservers), "write", "EIO"),
  "EIO of a chunkserver's sync": (c) => plannedError(c, c.random.pick(c.cluster.chunkservers), "sync", "EIO"),
  "EIO of the master's sync": (c) => plannedError(c, c.cluster.master, "sync", "EIO"),
  "EIO of the master's write": (c) => plannedError(c, c.cluster.master, "write", "EIO"),
  "EIO of reads": (c) => {
    const member = c.random.pick(c.cluster.chunkservers);
    const { errorChance } = member.node.disk.faults;
    member.hadDiskErrors = true;
    errorChance.read = c.random.between(0.01, 0.3);
    c.later(c.random.exponential(3_000), () => {
      errorChance.read = 0;
    });
    return member.name;
  },
  ...FILE_FAULTS,
  "wiped disk": wipe,
  ...OPERATOR_FAULTS,
  "clock jump": (c) => {
    const member = c.random.pick(c.cluster.members);
    const ms = c.random.pick([1_000, 60_000, DAY_MS]) * c.random.between(-1, 1);
    member.node.clock.jump(ms);
    return `${member.name} by ${Math.round(ms)} ms`;
  },
} satisfies Record<string, Fault>;

export type FaultName = keyof typeof FAULTS;
export const FAULT_NAMES = Object.keys(FAULTS) as FaultName[];
