// `databases.json`: the URLs that `up` was given last, so that backup and restore look where it looked.
import { readFile } from "node:fs/promises";
import {
  DATABASE_SETTINGS,
  type DatabaseSettings,
  needsCommonServer,
  serviceDatabases,
} from "../apis/service-databases.ts";
import { writeDurably } from "../std/durable-file.ts";
import { CommandError } from "./command.ts";
import type { DataDirectory } from "./data-directory.ts";

/** In checks alone: stands for the embedded server, whose URL is not known yet. */
const EMBEDDED = "postgres://embedded";

/** Whether a service's database is on the server in the data directory. */
export function usesEmbedded(settings: DatabaseSettings): boolean {
  return settings.databaseUrl === undefined && needsCommonServer(settings);
}

/** Checks the URLs and writes them down; they hold passwords. Throws UsageError. */
export async function recordDatabases(data: DataDirectory, settings: DatabaseSettings): Promise<void> {
  serviceDatabases(settings, EMBEDDED);
  await writeDurably(data.databasesFile, `${JSON.stringify(given(settings), null, 2)}\n`, 0o600);
}

/** The settings that a command was given, or else those of the last `up`. */
export async function databaseSettings(
  data: DataDirectory,
  settings: DatabaseSettings,
): Promise<DatabaseSettings> {
  const own = given(settings);
  const chosen = Object.keys(own).length > 0 ? own : await readRecorded(data);
  serviceDatabases(chosen, EMBEDDED);
  return chosen;
}

async function readRecorded(data: DataDirectory): Promise<DatabaseSettings> {
  try {
    return JSON.parse(await readFile(data.databasesFile, "utf8")) as DatabaseSettings;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {} as DatabaseSettings;
    throw new CommandError(
      `cannot read ${data.databasesFile}: ${(error as Error).message}; give the databases' URLs`,
    );
  }
}

function given(settings: DatabaseSettings): DatabaseSettings {
  const names = Object.keys(DATABASE_SETTINGS) as (keyof DatabaseSettings)[];
  const pairs = names.flatMap((name) => (settings[name] === undefined ? [] : [[name, settings[name]]]));
  return Object.fromEntries(pairs) as DatabaseSettings;
}
