// What an operator does while everything else goes on: new chunkservers, drains, a server that leaves for good.
import type { MasterConnection } from "../../masterd/client/client.ts";
import { failed } from "../workload/answers.ts";
import type { Cluster, Member } from "./cluster.ts";
import type { Fault, FaultContext } from "./fault-context.ts";

const CHUNKSERVERS_MAX = 6;
/** Between two looks at whether a drain has come to its end, ms. */
const LOOK_MS = 1_500;
/** Times that an operator tries the same. */
const ATTEMPTS_MAX = 5;

function join(c: FaultContext): Member | undefined {
  const { cluster } = c;
  if (cluster.chunkservers.length >= CHUNKSERVERS_MAX) return undefined;
  const member = cluster.addChunkserver(cluster.newChunkserverName());
  member.start();
  return member;
}

function drain(c: FaultContext): string {
  const member = c.random.pick(c.cluster.chunkservers);
  const { name } = member;
  const ms = c.random.exponential(10_000);
  c.operate((master) => master.drainChunkserver({ id: name }));
  c.later(ms, () => {
    // What has left for good meanwhile is not to be waited for again.
    if (!member.mayBeRemoved) c.operate((master) => master.undrainChunkserver({ id: name }));
  });
  return `${name} for ${Math.round(ms)} ms`;
}

/** A server joins, another one is drained, and switched off for good when nothing is left on it. */
function exchange(c: FaultContext): string | undefined {
  const leaving = c.random.pick(c.cluster.chunkservers);
  const joining = join(c);
  if (!joining || leaving.mayBeRemoved) return undefined;
  c.operate((master) => master.drainChunkserver({ id: leaving.name }));
  const look = (): void => {
    if (c.isOver()) return;
    c.operate(async (master) => {
      const { servers } = await master.listChunkservers(null);
      const state = servers.find(({ id }) => id === leaving.name)?.state;
      if (state !== "drained" || c.isOver()) return;
      leaving.mayBeRemoved = true;
      await master.removeChunkserver({ id: leaving.name });
      c.cluster.retire(leaving);
      c.world.trace("removed for good", leaving.name);
    });
    if (!leaving.isRetired) c.world.after(LOOK_MS, look);
  };
  c.world.after(LOOK_MS, look);
  return `${joining.name} for ${leaving.name}`;
}

/** Every drain is taken back; what was removed has left for good. */
export async function endOperations(cluster: Cluster, operator: { master: MasterConnection }): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await endEach(cluster, operator);
    } catch (error) {
      // A connection from before the faults' end may break on its first use, as it would for a person.
      if (attempt === ATTEMPTS_MAX) throw error;
      failed(error);
    }
  }
}

async function endEach(cluster: Cluster, { master }: { master: MasterConnection }): Promise<void> {
  const { servers } = await master.listChunkservers(null);
  for (const { id, state } of servers) {
    const member = cluster.chunkservers.find(({ name }) => name === id);
    if (!member) continue;
    if (state === "removed") {
      cluster.retire(member);
      continue;
    }
    member.mayBeRemoved = false;
    if (state !== "active") await master.undrainChunkserver({ id });
  }
}

export const OPERATOR_FAULTS = {
  "a chunkserver joins": (c) => join(c)?.name,
  "drain of a chunkserver": drain,
  "exchange of a chunkserver": exchange,
} satisfies Record<string, Fault>;
