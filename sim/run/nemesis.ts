// Lets faults happen, each kind in its own rhythm, until they are over; then undoes what is left of them.
import type { Cluster } from "./cluster.ts";
import type { FaultContext } from "./fault-context.ts";
import { FAULTS, type FaultName, isQuarantined, repairDisk } from "./faults.ts";

interface Undo {
  run: () => void;
  isDone: boolean;
}

type NemesisParts = Omit<FaultContext, "later" | "isOver">;

/** Told of each fault that happened. */
export type FaultListener = (name: FaultName, what: string) => void;

export class Nemesis {
  private isOver = false;
  private undos: Undo[] = [];
  private readonly context: FaultContext;

  constructor(
    parts: NemesisParts,
    private readonly onFault: FaultListener,
  ) {
    this.context = { ...parts, later: (ms, undo) => this.later(ms, undo), isOver: () => this.isOver };
  }

  start(): void {
    for (const [name, meanMs] of Object.entries(this.context.plan.faults)) {
      this.schedule(name as FaultName, meanMs);
    }
  }

  /** Does it now; whether it could be done. */
  inject(name: FaultName): boolean {
    const what = FAULTS[name](this.context);
    if (what === undefined) return false;
    this.context.world.trace("fault", name, what);
    this.onFault(name, what);
    return true;
  }

  private schedule(name: FaultName, meanMs: number): void {
    const { world, random } = this.context;
    world.after(random.exponential(meanMs), () => {
      if (this.isOver) return;
      this.inject(name);
      this.schedule(name, meanMs);
    });
  }

  private later(ms: number, run: () => void): void {
    const undo: Undo = { run, isDone: false };
    this.undos.push(undo);
    this.context.world.after(ms, () => {
      if (undo.isDone) return;
      undo.isDone = true;
      run();
    });
  }

  /** Nothing goes wrong any more, and whoever was away is back, as soon as it can start. */
  heal(): void {
    this.isOver = true;
    const { world, cluster } = this.context;
    for (const undo of this.undos) {
      if (!undo.isDone) undo.run();
      undo.isDone = true;
    }
    this.undos = [];
    world.network.heal();
    for (const { node } of cluster.members) {
      node.disk.faults.clear();
      node.clock.setDrift(0);
      node.resume();
    }
    for (const member of cluster.members) {
      if (member.role === "chunkserver" && (member.hadDiskErrors || isQuarantined(member)))
        repairDisk(this.context, member);
      else member.start();
    }
    world.trace("healed");
  }
}

export function isEverybodyReady(cluster: Cluster): boolean {
  return cluster.members.every(({ isReady, mayBeRemoved }) => isReady || mayBeRemoved);
}
