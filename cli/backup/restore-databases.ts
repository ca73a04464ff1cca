// The databases of a backup, made anew: on a server in a directory beside the present one, or at the URLs that are given.
import { rename, rm, stat } from "node:fs/promises";
import type { TransactionSql } from "postgres";
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
import { systemDisk } from "../../std/disk.ts";
import { silentLog } from "../../std/log.ts";
import type { Output } from "../command.ts";
import type { DataDirectory } from "../data-directory.ts";
import { usesEmbedded } from "../databases-file.ts";
import { readSection } from "./container-reader.ts";
import { type LoadedDatabase, loadDatabase } from "./database-load.ts";
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
}

/**
 * All databases of a backup, each loaded in a transaction that is still open: on a server in a directory beside the present one
 * and at the URLs, where nothing has changed yet. Either `commit` or `discard` must follow.
 */
export class LoadedDatabases {
  private readonly loaded: { name: ServiceName; database: LoadedDatabase }[] = [];
  private sessionsEnded = 0;

  private constructor(
    private readonly data: DataDirectory,
    private readonly backup: CloudBackup,
    private readonly options: RestoreOptions,
    private readonly embedded: EmbeddedPostgres | undefined,
  ) {}

  /** Throws {@link CommandError}, {@link BackupError}, DatabaseError, MigrationError; then nothing has changed. */
  static async load(
    data: DataDirectory,
    backup: CloudBackup,
    options: RestoreOptions,
    output: Output,
  ): Promise<LoadedDatabases> {
    const directory = madeIn(data);
    await rm(directory, { recursive: true, force: true }); // of a restore that was interrupted
    const embedded = usesEmbedded(options.settings)
      ? await startEmbeddedPostgres({ directory, log: silentLog })
      : undefined;
    const databases = new LoadedDatabases(data, backup, options, embedded);
    try {
      await databases.loadAll(output);
      return databases;
    } catch (error) {
      await databases.discard();
      throw error;
    }
  }

  async discard(): Promise<void> {
    for (const { database } of this.loaded) await database.discard();
    await this.end();
    await rm(madeIn(this.data), { recursive: true, force: true });
  }

  /** What was loaded at URLs is in place when it resolves; the server beside waits for `install`. */
  async commit(): Promise<RestoredDatabases> {
    try {
      for (const { database } of this.loaded) await database.commit();
      const log = this.loaded.find(({ name }) => name === "audit");
      const audit = log && (await this.recordRestore(log.database.sql));
      const names = this.loaded.map(({ name }) => name);
      const { data, embedded, options } = this;
      const install = async () => (embedded ? installServer(data, options.suffix) : undefined);
      return { names, sessionsEnded: this.sessionsEnded, audit, install };
    } finally {
      await this.end();
    }
  }

  private async loadAll(output: Output): Promise<void> {
    const { settings, replace, suffix } = this.options;
    const urls = serviceDatabases(settings, this.embedded?.url);
    const setAside = replace ? suffix.replaceAll(/\W/g, "_").slice(1) : undefined;
    for (const { service, section } of this.backup.cloud!.databases) {
      const { name } = service;
      const url = urlOf(urls, name);
      if (url === undefined) {
        output.err("the events in the backup are left out: NATS carries them here\n");
        continue;
      }
      const body = readSection(systemDisk, section);
      const settle = name === "auth" ? (sql: TransactionSql) => this.endSessions(sql) : undefined;
      this.loaded.push({ name, database: await loadDatabase(url, service, body, { setAside, settle }) });
    }
  }

  private async endSessions(transaction: TransactionSql): Promise<void> {
    this.sessionsEnded = await endRestoredSessions(transaction);
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
          if (!(error instanceof AuditError && error.code === "audit_damaged")) throw error;
        });
      return await audit.verify();
    } finally {
      await audit.close();
    }
  }

  private async end(): Promise<void> {
    await Promise.all(this.loaded.map(({ database }) => database.sql.end({ timeout: 1 })));
    await this.embedded?.stop();
  }
}

/** Where the server is made. */
function madeIn(data: DataDirectory): string {
  return data.at("postgres.restoring");
}

async function installServer(data: DataDirectory, suffix: string): Promise<string | undefined> {
  const present = data.at("postgres");
  const aside = `${present}${suffix}`;
  const had = (await stat(present).catch(() => undefined)) !== undefined;
  if (had) await rename(present, aside);
  await rename(madeIn(data), present);
  await systemDisk.syncDirectory(data.path);
  return had ? aside : undefined;
}
