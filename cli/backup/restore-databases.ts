// The databases of a backup, made anew: on a server in a directory beside the present one, or at the URLs that are given.
import { rename, rm, stat } from "node:fs/promises";
import { OPERATOR } from "../../apis/audit/entry.ts";
import { AuditError } from "../../apis/audit/errors.ts";
import { createAudit } from "../../apis/audit/service.ts";
import type { Verdict } from "../../apis/audit/verify.ts";
import { endRestoredSessions } from "../../apis/auth/restored.ts";
import { type DatabaseSettings, serviceDatabases } from "../../apis/service-databases.ts";
import { parseClusterFile } from "../../chunkd/protocol/cluster-file.ts";
import { systemClock } from "../../std/clock.ts";
import type { Database } from "../../std/db/database.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../std/db/embedded.ts";
import { lockLauncher } from "../../std/db/launcher-lock.ts";
import { systemDisk } from "../../std/disk.ts";
import { silentLog } from "../../std/log.ts";
import { CommandError, type Output } from "../command.ts";
import type { DataDirectory } from "../data-directory.ts";
import { usesEmbedded } from "../databases-file.ts";
import { readSection } from "./container-reader.ts";
import { loadDatabase } from "./database-load.ts";
import type { CloudBackup } from "./read-backup.ts";
import { type ServiceName, urlOf } from "./services.ts";

export interface RestoreOptions {
  settings: DatabaseSettings;
  /** Moves what a database at a URL has aside; else such a database is refused. */
  replace: boolean;
  /** Behind the names of what is set aside. */
  suffix: string;
}

export interface RestoredDatabases {
  names: ServiceName[];
  sessionsEnded: number;
  /** Of the audit log, with the entry about the restore. */
  audit: Verdict | undefined;
  /** Puts the server that was made in the place of the present one; returns where that is now, if there was one. */
  install(): Promise<string | undefined>;
  discard(): Promise<void>;
}

/**
 * Loads all databases of `backup` and settles them. Until `install`, the server in the data directory is as it was; a database at
 * a URL is restored when its own transaction commits.
 */
export async function restoreDatabases(
  data: DataDirectory,
  backup: CloudBackup,
  options: RestoreOptions,
  output: Output,
): Promise<RestoredDatabases> {
  const made = data.at("postgres.restoring");
  const discard = () => rm(made, { recursive: true, force: true });
  await discard(); // of a restore that was interrupted
  const embedded = usesEmbedded(options.settings)
    ? await startEmbeddedPostgres({ directory: made, log: silentLog })
    : undefined;
  try {
    const restoration = new Restoration(backup, options, embedded);
    await restoration.run(output);
    await embedded?.stop();
    const { names, sessionsEnded, audit } = restoration;
    const install = async () => (embedded ? installServer(data, made, options.suffix) : undefined);
    return { names, sessionsEnded, audit, install, discard };
  } catch (error) {
    await embedded?.stop();
    await discard();
    throw error;
  }
}

class Restoration {
  readonly names: ServiceName[] = [];
  sessionsEnded = 0;
  audit: Verdict | undefined;

  constructor(
    private readonly backup: CloudBackup,
    private readonly options: RestoreOptions,
    private readonly embedded: EmbeddedPostgres | undefined,
  ) {}

  async run(output: Output): Promise<void> {
    const urls = serviceDatabases(this.options.settings, this.embedded?.url);
    const setAside = this.options.replace ? this.options.suffix.replaceAll(/\W/g, "_").slice(1) : undefined;
    for (const { service, section } of this.backup.cloud!.databases) {
      const url = urlOf(urls, service.name);
      if (url === undefined) {
        output.err("the events in the backup are left out: NATS carries them here\n");
        continue;
      }
      const body = readSection(systemDisk, section);
      const sql = await loadDatabase(url, service, body, { setAside }).catch((error: Error) => {
        throw this.explain(error);
      });
      try {
        await this.settle(service.name, sql);
      } finally {
        await sql.end({ timeout: 1 });
      }
      this.names.push(service.name);
    }
  }

  private async settle(name: ServiceName, sql: Database): Promise<void> {
    if (name === "auth") this.sessionsEnded = await endRestoredSessions(sql);
    if (name === "audit") this.audit = await this.recordRestore(sql);
  }

  /** The log tells of it as its newest entry; a damaged one comes back as it was, and is told to be. */
  private async recordRestore(sql: Database): Promise<Verdict> {
    const { info, cloud } = this.backup;
    const { clusterSecret } = parseClusterFile(
      "cluster.json of the backup",
      cloud!.secrets["cluster.json"] ?? "",
    );
    const audit = await createAudit({ sql, clusterSecret, clock: systemClock, log: silentLog });
    try {
      const details = { backupOf: new Date(info.takenAt).toISOString(), sessionsEnded: this.sessionsEnded };
      await audit
        .committed({ actor: OPERATOR, action: "audit:Restored", resource: "", outcome: "allowed", details })
        .catch((error: unknown) => {
          if (!(error instanceof AuditError)) throw error;
        });
      return await audit.verify();
    } finally {
      await audit.close();
    }
  }

  /** What is on a server of its own cannot be taken back. */
  private explain(error: Error): Error {
    if (this.embedded || this.names.length === 0) return error;
    return new CommandError(
      `${error.message}; ${this.names.join(" and ")} are restored already: run it again with --replace`,
      { cause: error },
    );
  }
}

async function installServer(data: DataDirectory, made: string, suffix: string): Promise<string | undefined> {
  const present = data.at("postgres");
  const aside = `${present}${suffix}`;
  const had = (await stat(present).catch(() => undefined)) !== undefined;
  if (had) {
    // A server that was started alone holds no lock on the whole.
    await (await lockLauncher(present)).release();
    await rename(present, aside);
  }
  await rename(made, present);
  await systemDisk.syncDirectory(data.path);
  return had ? aside : undefined;
}
