// Shows one credential at every place, over and over, while it is taken away.
import type { Credential, Place, PlaceName, Process } from "./places.ts";

/** Between two requests at one place: closer together, they would be the load that slows what they measure. */
const PAUSE_MS = 5;
/** A place that refused must go on refusing. */
const CONFIRMATIONS = 3;
const TIMEOUT_MS = 60_000;

/** What happened at one place, ms since the call began. */
export interface Refusal {
  process: string;
  place: PlaceName;
  /** When the last request that got through was sent; negative: before the call. */
  lastPassedMs: number;
  /** When the first refusal had arrived. */
  refusedMs: number;
  /** Its status. */
  status: number;
}

export interface Revoked {
  /** When the call was answered, ms since it began. */
  answeredMs: number;
  refusals: Refusal[];
}

/** A credential was refused that must pass, or passed where it was refused before. */
export class PassError extends Error {
  override name = "PassError";
}

/** Resolves once `credential` passes everywhere. */
export async function untilItPasses(processes: readonly Process[], credential: Credential): Promise<void> {
  const endMs = performance.now() + TIMEOUT_MS;
  for (const { name, places } of processes) {
    for (const place of places) {
      for (let status = 0; status !== 200; ) {
        const asked = place.ask(credential);
        if (asked === undefined) break;
        status = await asked;
        if (performance.now() > endMs)
          throw new PassError(`${place.name} of ${name} goes on to answer ${status}`);
      }
    }
  }
}

/** Statuses of who is not known (any more), or may not do it. */
export const REFUSED: readonly number[] = [401, 403];

/**
 * Calls `revoke` and watches until all `processes` refuse `credential`, with a status of `refused`; until then it passes.
 * Throws {@link PassError}.
 */
export async function watchRevocation(
  processes: readonly Process[],
  credential: Credential,
  revoke: () => Promise<void>,
  refused: readonly number[] = REFUSED,
): Promise<Revoked> {
  await untilItPasses(processes, credential);
  const startMs = performance.now();
  const watches = processes.flatMap((process) =>
    process.places.map((place) => watch(process.name, place, credential, startMs, refused)),
  );
  const answered = revoke().then(() => performance.now() - startMs);
  const [answeredMs, ...refusals] = await Promise.all([answered, ...watches]);
  return { answeredMs, refusals: refusals.filter((refusal) => refusal !== undefined) };
}

async function watch(
  process: string,
  place: Place,
  credential: Credential,
  startMs: number,
  refused: readonly number[],
): Promise<Refusal | undefined> {
  let lastPassedMs = Number.NEGATIVE_INFINITY;
  let refusal: Refusal | undefined;
  for (let confirmations = 0; confirmations < CONFIRMATIONS; ) {
    const sentMs = performance.now() - startMs;
    const asked = place.ask(credential);
    if (asked === undefined) return undefined;
    const status = await asked;
    const where = `${place.name} of ${process}`;
    if (status !== 200 && !refused.includes(status)) throw new PassError(`${where} answered ${status}`);
    if (status === 200 && refusal) throw new PassError(`${where} let through what it had refused`);
    if (status === 200) {
      lastPassedMs = sentMs;
      if (sentMs > TIMEOUT_MS) throw new PassError(`${where} still lets through what is revoked`);
    } else {
      refusal ??= {
        process,
        place: place.name,
        lastPassedMs,
        refusedMs: performance.now() - startMs,
        status,
      };
      confirmations++;
    }
    await Bun.sleep(PAUSE_MS);
  }
  return refusal;
}
