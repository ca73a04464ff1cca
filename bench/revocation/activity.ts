// Sessions that are in use while others end.
import { bounded } from "../auth/bounded.ts";
import { populate } from "../auth/population.ts";
import type { TwoProcessCloud } from "./cloud.ts";
import type { Process } from "./places.ts";
import { SUBJECT_ROLE } from "./revocations.ts";
import { PassError, untilItPasses } from "./watch.ts";

const WORKERS = 4;
/** Between two requests: some load, far from all that the machine can take. */
const PAUSE_MS = 10;

/** Begins `sessionsEach` of `people` users and uses each at every process. Resolves with their tokens. Throws {@link PassError}. */
export async function beginInUse(
  { auth, processes }: TwoProcessCloud,
  people: number,
  sessionsEach: number,
): Promise<string[]> {
  const population = await populate(auth, { people, sessions: sessionsEach, credentials: 0 }, SUBJECT_ROLE);
  const tokens = population.flatMap(({ sessions }) => sessions);
  // By then both processes have heard of those before it.
  await untilItPasses(processes, { bearer: tokens.at(-1)! });
  await bounded(tokens.length * processes.length, WORKERS, (index) => use(processes, tokens, index));
  return tokens;
}

/** Goes on with one session after another until `signal`. Throws {@link PassError}: others' endings are not theirs. */
export async function keepUsing(
  processes: readonly Process[],
  tokens: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (let index = 0; !signal.aborted; index++) {
    await use(processes, tokens, index);
    await Bun.sleep(PAUSE_MS);
  }
}

async function use(processes: readonly Process[], tokens: readonly string[], index: number): Promise<void> {
  const process = processes[index % processes.length]!;
  const bearer = tokens[Math.floor(index / processes.length) % tokens.length]!;
  const status = await process.places.find(({ name }) => name === "auth")!.ask({ bearer });
  if (status !== 200)
    throw new PassError(`a session that nobody ended was answered ${status} by ${process.name}`);
}
