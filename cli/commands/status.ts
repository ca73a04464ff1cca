import type { AdminStatus } from "../../edge/admin-socket.ts";
import { describeSettings, flag, parseConfig } from "../../std/config.ts";
import { AdminClient, notRunning } from "../admin.ts";
import { type Command, CommandError, EXIT } from "../command.ts";
import { existingDataDirectory } from "../data-directory.ts";
import { DATA_SETTING } from "../data-setting.ts";
import { type InstanceState, type RoleRecord, runningState, type Urls } from "../instance.ts";
import { bytes, duration } from "../quantities.ts";
import { residentBytes } from "../supervisor/process-identity.ts";
import { table } from "../table.ts";
import { describeStorage } from "./storage-view.ts";

const SETTINGS = { data: DATA_SETTING, json: flag("answer with JSON") };

interface RoleView {
  name: string;
  state: string;
  /** 0 while there is no process. */
  pid: number;
  /** Since it was ready, ms. */
  uptimeMs: number;
  rssBytes: number;
  restarts: number;
}

interface StatusView {
  pid: number;
  version: string;
  uptimeMs: number;
  urls: Urls | null;
  roles: RoleView[];
  /** What the gateway says of itself and the storage; null where it does not answer. */
  health: AdminStatus["health"] | null;
  storage: AdminStatus["storage"] | null;
}

export const status: Command = {
  help: () => `Usage: skerry status [--data DIR] [--json]

Shows the processes of what runs on DIR, and the health of its storage. Exit code 1 when nothing runs.

${describeSettings(SETTINGS)}`,
  async run(argv, environment, output) {
    const { config } = parseConfig(SETTINGS, argv, environment);
    const data = await existingDataDirectory(config.data);
    const state = runningState(data);
    if (!state) throw notRunning(data);
    const view = await look(state, new AdminClient(data));
    output.out(config.json ? `${JSON.stringify(view)}\n` : describe(view));
    return EXIT.done;
  },
};

async function look(state: InstanceState, admin: AdminClient): Promise<StatusView> {
  const now = Date.now();
  const answer = await admin.call<AdminStatus>("GET", "/status").catch((error: Error) => {
    // While the gateway starts, the processes are still worth telling.
    if (error instanceof CommandError) return undefined;
    throw error;
  });
  return {
    pid: state.pid,
    version: state.version,
    uptimeMs: now - state.startedAt,
    urls: state.urls ?? null,
    roles: state.roles.map((role) => viewOf(role, now)),
    health: answer?.health ?? null,
    storage: answer?.storage ?? null,
  };
}

function viewOf({ name, state, pid = 0, readyAt, restarts }: RoleRecord, now: number): RoleView {
  const uptimeMs = readyAt === undefined ? 0 : now - readyAt;
  return { name, state, pid, uptimeMs, rssBytes: (pid && residentBytes(pid)) || 0, restarts };
}

function describe(view: StatusView): string {
  const roles = view.roles.map((role) => [
    role.name,
    role.state,
    role.pid === 0 ? "-" : String(role.pid),
    duration(role.uptimeMs),
    bytes(role.rssBytes),
    String(role.restarts),
  ]);
  return [
    `skerry ${view.version}, pid ${view.pid}, up ${duration(view.uptimeMs)}\n`,
    view.urls
      ? `console ${view.urls.console}\ns3      ${view.urls.s3}\nmetrics ${view.urls.metrics}\n`
      : "starting\n",
    `\n${table(["ROLE", "STATE", "PID", "UPTIME", "MEMORY", "RESTARTS"], roles)}`,
    view.health && view.health.length > 0 ? `\nnot healthy: ${view.health.join("; ")}\n` : "",
    view.storage ? describeStorage(view.storage, Date.now()) : "\nthe storage master does not answer\n",
  ].join("");
}
