// A process that is cut off from its change feed: for how long does it let through what has ended?
import { beginSession } from "../auth/population.ts";
import type { TwoProcessCloud } from "./cloud.ts";
import type { LinkState } from "./database-link.ts";
import type { Cast } from "./revocations.ts";
import { REFUSED, type Refusal, untilItPasses, watchRevocation } from "./watch.ts";

export interface CutOff {
  state: LinkState;
  /** The places of the process that was cut off; times are since the call was answered. */
  refusals: Refusal[];
  /** From the end of the cut until a live session passes everywhere, ms. */
  recoveredMs: number;
}

/** It says that it does not know. */
const UNAVAILABLE = 503;

/** Brings the second process's link into `state`, ends a session and a key at the first, and watches the second. */
export async function measureCutOff(
  { processes, link }: Pick<TwoProcessCloud, "processes" | "link">,
  { auth, subject, admin }: Cast,
  state: Exclude<LinkState, "whole">,
): Promise<CutOff> {
  const [first, second] = processes;
  const [ending, staying] = [await beginSession(auth, subject.id), await beginSession(auth, subject.id)];
  const key = await auth.createKey(subject.name);
  const session = (await auth.session(ending))!;
  const credential = { bearer: ending, key };
  await untilItPasses([second], credential);
  await untilItPasses([second], { bearer: staying });
  link.set(state);
  const end = async () => {
    await first.call("DELETE", `/auth/sessions/${session.id}`, admin);
    await first.call("DELETE", `/auth/keys/${key.accessKeyId}`, admin);
  };
  try {
    const { answeredMs, refusals } = await watchRevocation([second], credential, end, [
      ...REFUSED,
      UNAVAILABLE,
    ]);
    link.set("whole");
    const healedMs = performance.now();
    await untilItPasses([second], { bearer: staying });
    return {
      state,
      recoveredMs: performance.now() - healedMs,
      refusals: refusals.map((refusal) => ({
        ...refusal,
        lastPassedMs: refusal.lastPassedMs - answeredMs,
        refusedMs: refusal.refusedMs - answeredMs,
      })),
    };
  } finally {
    link.set("whole");
  }
}
