import type { ScrubAction, ScrubControlResponse } from "../../chunkd/protocol/messages.ts";
import type { ChunkserverInfo } from "../../masterd/protocol/messages.ts";
import { flag, parseConfig, UsageError } from "../../std/config.ts";
import { AdminClient } from "../admin.ts";
import { CommandError, EXIT } from "../command.ts";
import { DATA_SETTING } from "../data-setting.ts";
import { bytes, duration, moment } from "../quantities.ts";
import type { Subcommand } from "../subcommands.ts";

const SCRUB = {
  data: DATA_SETTING,
  json: flag("answer with JSON"),
  all: flag("every chunkserver that answers"),
};

const ACTIONS: readonly ScrubAction[] = ["now", "pause", "resume", "status"];

/** What one chunkserver answered, or why it did not. */
type Outcome = { id: string } & ({ scrub: ScrubControlResponse } | { error: string });

export const scrub: Subcommand = {
  words: "ID|--all [now|pause|resume|status]",
  summary: "read all chunk files to find damage: begin now, pause, go on, or tell how far it is",
  settings: SCRUB,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(SCRUB, argv, environment);
    const { id, action } = wordsOf(words, config.all);
    const admin = await AdminClient.of(config.data);
    const ids = id === undefined ? await allIds(admin) : [id];
    const outcomes: Outcome[] = [];
    for (const each of ids) outcomes.push(await ask(admin, each, action));
    const now = Date.now();
    if (config.json) output.out(`${JSON.stringify({ chunkservers: outcomes })}\n`);
    for (const outcome of outcomes) {
      if ("error" in outcome) output.err(`${outcome.id}: ${outcome.error}\n`);
      else if (!config.json) output.out(`${outcome.id}: ${describeScrub(outcome.scrub, now)}\n`);
    }
    return outcomes.some((outcome) => "error" in outcome) ? EXIT.failed : EXIT.done;
  },
};

/** Which chunkserver, undefined for all, and what to do there. Throws {@link UsageError}. */
export function wordsOf(words: readonly string[], all: boolean): { id?: string; action: ScrubAction } {
  const rest = [...words];
  const id = all ? undefined : rest.shift();
  if (!all && id === undefined) throw new UsageError("the chunkserver's id is missing, or --all");
  const [action = "status", ...tooMany] = rest;
  if (tooMany.length > 0) throw new UsageError(`"${tooMany[0]}" is one word too many`);
  const known = ACTIONS.find((each) => each === action);
  if (!known) throw new UsageError(`"${action}" is none of ${ACTIONS.join(", ")}`);
  return { id, action: known };
}

async function allIds(admin: AdminClient): Promise<string[]> {
  const { servers } = await admin.call<{ servers: ChunkserverInfo[] }>("GET", "/chunkservers");
  return servers.filter(({ state }) => state !== "removed").map(({ id }) => id);
}

async function ask(admin: AdminClient, id: string, action: ScrubAction): Promise<Outcome> {
  const path = `/chunkservers/${encodeURIComponent(id)}/scrub`;
  try {
    const answer = action === "status" ? admin.call("GET", path) : admin.call("POST", `${path}/${action}`);
    return { id, scrub: (await answer) as ScrubControlResponse };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { id, error: error.message };
  }
}

/** One line: how far the round is, how fast, when it ends or when the next begins, what was found. */
export function describeScrub(scrub: ScrubControlResponse, now: number): string {
  const { bytesPerSecond, startedAt, finishedAt, paused, nextAt } = scrub;
  if (bytesPerSecond === 0) return "scrubs are off";
  const parts = startedAt > finishedAt ? roundOf(scrub) : waitOf(paused, nextAt, now);
  const last = finishedAt > 0 ? `last finished ${moment(finishedAt)}` : "never finished yet";
  return [...parts, last, foundOf(scrub)].join(", ");
}

function roundOf({ doneBytes, totalBytes, bytesPerSecond, paused }: ScrubControlResponse): string[] {
  const share = totalBytes === 0 ? 0 : Math.min(1, doneBytes / totalBytes);
  const far = `${Math.floor(share * 100)} % of ${bytes(totalBytes)}`;
  if (paused) return [`paused at ${far}`];
  const left = (Math.max(0, totalBytes - doneBytes) / bytesPerSecond) * 1000;
  return [`running, ${far}`, `at most ${bytes(bytesPerSecond)}/s`, `${duration(left)} left at that`];
}

function waitOf(paused: boolean, nextAt: number, now: number): string[] {
  if (paused) return ["paused between rounds"];
  return [nextAt > now ? `next in ${duration(nextAt - now)}` : "next at once"];
}

function foundOf({ damagedFound, startedAt, finishedAt }: ScrubControlResponse): string {
  const which = startedAt > finishedAt ? "this round" : "the last round";
  return `${damagedFound} damaged in ${which}`;
}
