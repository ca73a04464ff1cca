import type { ChunkserverInfo } from "../../masterd/protocol/messages.ts";
import { delay, systemClock } from "../../std/clock.ts";
import { flag, parseConfig } from "../../std/config.ts";
import { AdminClient } from "../admin.ts";
import { CommandError, EXIT, type Output } from "../command.ts";
import { DATA_SETTING } from "../data-setting.ts";
import { bytes, duration } from "../quantities.ts";
import { exactWords, type Subcommand, withSubcommands } from "../subcommands.ts";
import { table } from "../table.ts";
import { scrub } from "./chunkserver-scrub.ts";

const COMMON = { data: DATA_SETTING, json: flag("answer with JSON") };
const DRAIN = { ...COMMON, wait: flag("show the progress, and end when it is drained") };
const REMOVE = {
  ...COMMON,
  force: flag("also one that is not drained, when it does not answer: it is gone for good, with all it has"),
};
const ORPHANS = { ...COMMON, discard: flag("let all of them be removed") };

/** How often a drain is looked at, ms. */
const LOOK_MS = 1_000;

const list: Subcommand = {
  summary: "list the chunkservers",
  settings: COMMON,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(COMMON, argv, environment);
    exactWords(words);
    const admin = await AdminClient.of(config.data);
    const answer = await admin.call<{ servers: ChunkserverInfo[] }>("GET", "/chunkservers");
    output.out(config.json ? `${JSON.stringify(answer)}\n` : describeServers(answer.servers));
    return EXIT.done;
  },
};

const drain: Subcommand = {
  words: "ID",
  summary: "put no new data there and copy what it has to others; then it may be removed",
  settings: DRAIN,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(DRAIN, argv, environment);
    const [id] = exactWords(words, "the chunkserver's id");
    const admin = await AdminClient.of(config.data);
    let info = await admin.call<ChunkserverInfo>("POST", `${pathOf(id!)}/drain`);
    if (config.wait) info = await waitForDrain(admin, info, config.json ? () => {} : progress(output));
    output.out(config.json ? `${JSON.stringify(info)}\n` : `${describeDrain(info)}\n`);
    return EXIT.done;
  },
};

const undrain: Subcommand = {
  words: "ID",
  summary: "take a drain back, or take a removed chunkserver in again with what it holds",
  settings: COMMON,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(COMMON, argv, environment);
    const [id] = exactWords(words, "the chunkserver's id");
    const admin = await AdminClient.of(config.data);
    const info = await admin.call<ChunkserverInfo>("POST", `${pathOf(id!)}/undrain`);
    output.out(config.json ? `${JSON.stringify(info)}\n` : `${id} is active\n`);
    return EXIT.done;
  },
};

const remove: Subcommand = {
  words: "ID",
  summary: "let a drained chunkserver go, or with --force one that is gone for good",
  settings: REMOVE,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(REMOVE, argv, environment);
    const [id] = exactWords(words, "the chunkserver's id");
    const admin = await AdminClient.of(config.data);
    const path = `${pathOf(id!)}${config.force ? "?force=true" : ""}`;
    const info = await admin.call<ChunkserverInfo & { lost: number }>("DELETE", path);
    if (info.lost > 0) output.err(`${info.lost} chunks had their last whole replica on ${id}\n`);
    output.out(config.json ? `${JSON.stringify(info)}\n` : `removed ${id}\n`);
    return EXIT.done;
  },
};

const orphans: Subcommand = {
  summary: "tell the chunks on the chunkservers that the master does not know, and what becomes of them",
  settings: ORPHANS,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(ORPHANS, argv, environment);
    exactWords(words);
    const admin = await AdminClient.of(config.data);
    if (config.discard) {
      const answer = await admin.call<{ count: number }>("DELETE", "/orphans");
      output.out(config.json ? `${JSON.stringify(answer)}\n` : `${answer.count} orphans are being removed\n`);
      return EXIT.done;
    }
    const { storage } = await admin.call<{ storage: { orphans: OrphansView } | null }>("GET", "/status");
    if (!storage) throw new CommandError("the storage master does not answer");
    output.out(
      config.json ? `${JSON.stringify(storage.orphans)}\n` : `${describeOrphans(storage.orphans)}\n`,
    );
    return EXIT.done;
  },
};

export interface OrphansView {
  count: number;
  bytes: number;
  held: "catalog-restored" | "too-many" | null;
}

/** One sentence on the replicas that the master does not know. */
export function describeOrphans({ count, bytes: size, held }: OrphansView): string {
  if (count === 0) return "no orphans";
  const what = `${count} orphans of ${bytes(size)}`;
  if (held === null) return `${what}; each is removed an hour after it was first seen`;
  const why =
    held === "catalog-restored"
      ? "the master was restored from a backup, and they may be newer"
      : "they are more than the chunks that the master knows";
  return `${what} are kept, because ${why}; to remove them: skerry chunkserver orphans --discard`;
}

function pathOf(id: string): string {
  return `/chunkservers/${encodeURIComponent(id)}`;
}

/** Asks until the drain has ended. Throws {@link CommandError} when it was taken back. */
async function waitForDrain(
  admin: AdminClient,
  first: ChunkserverInfo,
  tell: (info: ChunkserverInfo) => void,
): Promise<ChunkserverInfo> {
  for (let info = first; ; ) {
    tell(info);
    if (info.state === "drained") return info;
    if (info.state !== "draining")
      throw new CommandError(`${info.id} is ${info.state}: the drain was taken back`);
    await delay(systemClock, LOOK_MS);
    const { servers } = await admin.call<{ servers: ChunkserverInfo[] }>("GET", "/chunkservers");
    info = servers.find(({ id }) => id === first.id) ?? info;
  }
}

/** Writes a line whenever something has changed. */
function progress(output: Output): (info: ChunkserverInfo) => void {
  let last = "";
  return (info) => {
    const line = info.state === "drained" ? "" : describeDrain(info);
    if (line !== "" && line !== last) output.out(`${line}\n`);
    last = line;
  };
}

function describeDrain({ id, state, leftBehind, bytes: size, waitsFor }: ChunkserverInfo): string {
  if (state === "drained") return `${id} is drained: skerry chunkserver remove ${id}`;
  const left = `${id} is ${state}: ${leftBehind} chunks left (${bytes(size)})`;
  return waitsFor === null ? left : `${left}; it waits for ${waitsFor}`;
}

function describeServers(servers: ChunkserverInfo[]): string {
  const rows = servers.map((server) => [
    server.id,
    server.state,
    health(server),
    server.address ?? "-",
    String(server.chunks),
    bytes(server.bytes),
    server.totalBytes === 0 ? "-" : bytes(server.freeBytes),
    server.totalBytes === 0 ? "-" : bytes(server.totalBytes),
  ]);
  const waits = servers
    .filter(({ waitsFor }) => waitsFor !== null)
    .map((server) => `${describeDrain(server)}\n`);
  const heads = ["CHUNKSERVER", "STATE", "HEALTH", "ADDRESS", "CHUNKS", "STORED", "FREE", "DISK"];
  return [table(heads, rows), ...waits].join("");
}

function health({ alive, diskFailed, lastSeenMs }: ChunkserverInfo): string {
  if (diskFailed) return "disk failed";
  if (alive) return "alive";
  return lastSeenMs === null ? "not seen" : `lost ${duration(lastSeenMs)} ago`;
}

export const chunkserver = withSubcommands("chunkserver", "The chunkservers of a running cloud.", {
  list,
  drain,
  undrain,
  remove,
  scrub,
  orphans,
});
