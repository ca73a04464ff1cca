// All that a backup is made of, opened at nearly one moment: of a cloud that serves, or of a directory that nobody serves.
import { type DatabaseSettings, serviceDatabases } from "../../apis/service-databases.ts";
import { embeddedUrl, startEmbeddedPostgres } from "../../std/db/embedded.ts";
import { silentLog } from "../../std/log.ts";
import { CommandError } from "../command.ts";
import type { DataDirectory } from "../data-directory.ts";
import { usesEmbedded } from "../databases-file.ts";
import { lockInstance, runningState } from "../instance.ts";
import { type DatabaseSnapshot, openSnapshot } from "./database-snapshot.ts";
import { refuseHalfRestored } from "./restoring.ts";
import { SERVICES, type ServiceName, urlOf } from "./services.ts";
import { type OpenSource, servedSource, stoppedSource } from "./source.ts";

export interface CloudSource {
  storage: OpenSource;
  databases: DatabaseSnapshot[];
  /** Ends the snapshots that are still open. */
  close(): Promise<void>;
}

/** Throws {@link CommandError}, DatabaseError, MigrationError. */
export async function openCloudSource(data: DataDirectory, settings: DatabaseSettings): Promise<CloudSource> {
  const opened = new AsyncDisposableStack();
  try {
    const isServed = runningState(data) !== undefined;
    if (!isServed) {
      const lock = await lockInstance(data);
      opened.defer(() => lock.release());
      await refuseHalfRestored(data);
    }
    const embedded = usesEmbedded(settings) ? await embeddedServer(data, isServed, opened) : undefined;
    const urls = serviceDatabases(settings, embedded);
    const databases: DatabaseSnapshot[] = [];
    const take = async (name: ServiceName): Promise<void> => {
      const url = urlOf(urls, name);
      if (url === undefined) return;
      const snapshot = await openSnapshot(url, SERVICES.find((service) => service.name === name)!);
      opened.defer(() => snapshot.close());
      databases.push(snapshot);
    };
    // FORMAT.md, Moments, has the reasons for this order.
    await take("auth");
    await take("events");
    const storage = isServed ? await servedSource(data) : await stoppedSource(data);
    opened.defer(() => storage.close());
    await take("audit");
    return { storage, databases, close: () => opened.disposeAsync() };
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

/** The URL of the server in the data directory, started for now where nothing runs. */
async function embeddedServer(
  data: DataDirectory,
  isServed: boolean,
  opened: AsyncDisposableStack,
): Promise<string> {
  const directory = data.at("postgres");
  const url = await embeddedUrl(directory);
  if (url === undefined) {
    throw new CommandError(
      `${directory} has no database; where the databases are elsewhere, give their URLs (SKERRY_DATABASE_URL)`,
    );
  }
  if (isServed) return url;
  const server = await startEmbeddedPostgres({ directory, log: silentLog });
  opened.defer(() => server.stop());
  return server.url;
}
