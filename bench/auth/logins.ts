// Signing in by password, beside the bare hash that it cannot do without. The two take turns, so that whatever else the
// machine does meanwhile hits both.
import { availableParallelism } from "node:os";
import { HASH_PARAMETERS } from "../../apis/auth/accounts/passwords.ts";
import { closedLoop, type LoopResult } from "../storage/closed-loop.ts";
import { Histogram } from "../storage/histogram.ts";
import type { AuthCloud } from "./cloud.ts";
import { PASSWORD, type Person } from "./population.ts";
import { signIn } from "./requests.ts";

/** Turns of each. */
const ROUNDS = 5;

export interface LoginResult {
  /** By rounds: sign-ins, and the argon2id hashes that the machine can check, without anything around them. */
  loginsPerSecond: number[];
  hashesPerSecond: number[];
  /** Of sign-ins. */
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  errors: Record<string, number>;
}

/** `seconds` of each: `concurrency` sign-ins at a time, and a bare hash on each core, since more only wait for memory. */
export async function measureLogins(
  { app }: AuthCloud,
  people: readonly Person[],
  { seconds, concurrency }: { seconds: number; concurrency: number },
): Promise<LoginResult> {
  const hash = await Bun.password.hash(PASSWORD, HASH_PARAMETERS);
  const never = new AbortController().signal;
  const latency = new Histogram();
  const errors: Record<string, number> = {};
  const loginsPerSecond: number[] = [];
  const hashesPerSecond: number[] = [];
  let next = 0;
  const turn = (workers: number, operation: (worker: number) => Promise<void>): Promise<LoopResult> =>
    closedLoop(
      async (worker) => {
        await operation(worker);
        return { kind: "done", bytes: 0 };
      },
      workers,
      seconds / ROUNDS,
      never,
    );
  for (let round = 0; round < ROUNDS; round++) {
    const bare = await turn(availableParallelism(), async () => {
      if (!(await Bun.password.verify(PASSWORD, hash))) throw new Error("the hash does not match");
    });
    hashesPerSecond.push(rateOf(bare));
    const logins = await turn(concurrency, async (worker) => {
      const { name } = people[next++ % people.length]!;
      const status = await signIn(app, name, PASSWORD, `198.51.100.${worker}`);
      if (status !== 201) throw new SignInError(status);
    });
    loginsPerSecond.push(rateOf(logins));
    for (const kind of logins.kinds) latency.add(kind.latency);
    for (const [code, count] of Object.entries(logins.errors)) errors[code] = (errors[code] ?? 0) + count;
  }
  const ms = (share: number): number => latency.percentileUs(share) / 1_000;
  return { loginsPerSecond, hashesPerSecond, p50Ms: ms(0.5), p99Ms: ms(0.99), maxMs: ms(1), errors };
}

class SignInError extends Error {
  constructor(status: number) {
    super(`signing in was answered ${status}`);
    this.name = `HTTP_${status}`;
  }
}

function rateOf({ kinds, seconds }: LoopResult): number {
  return kinds.reduce((sum, { operations }) => sum + operations, 0) / seconds;
}
