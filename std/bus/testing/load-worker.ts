// For tests only: a process of a service under load. It relays the service's outbox and writes down what its consumer was given, in order.
import { type Database, openDatabase } from "../../db/database.ts";
import { type Migration, migrate } from "../../db/migrate.ts";
import { silentLog } from "../../log.ts";
import { Bus } from "../bus.ts";
import { BUS_MIGRATION, handleOnce } from "../outbox.ts";
import { subject } from "../subjects.ts";
import { type CarrierKind, openCarrier } from "./carriers.ts";

const CONSUMER = "load";

const MIGRATIONS: readonly Migration[] = [
  BUS_MIGRATION,
  {
    name: "what happened, and what was heard of it",
    up: `
      CREATE TABLE things (subject text PRIMARY KEY, changes integer NOT NULL);
      CREATE TABLE effects (position bigint GENERATED ALWAYS AS IDENTITY, subject text, change integer);
      CREATE TABLE repetitions (event_id uuid);`,
  },
];

export async function openService(url: string): Promise<Database> {
  const sql = await openDatabase(url, "service", { log: silentLog });
  await migrate(sql, MIGRATIONS, silentLog);
  return sql;
}

export const thing = (number: number): string => subject("load", `thing.${number}`, "changed");

export class LoadWorker {
  private child: Bun.Subprocess;
  private readonly command: string[];
  private wanted = true;
  /** Ends that nobody asked for. */
  deaths = 0;

  constructor(kind: CarrierKind, carrierUrl: string, serviceUrl: string) {
    this.command = [process.execPath, import.meta.path, kind, carrierUrl, serviceUrl];
    this.child = this.spawn();
  }

  private spawn(): Bun.Subprocess {
    return Bun.spawn(this.command, {
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
      onExit: (child, _code, signal) => {
        if (child !== this.child || !this.wanted) return;
        if (signal === null) this.deaths++;
        this.child = this.spawn();
      },
    });
  }

  /** Another one follows. */
  async kill(): Promise<void> {
    const { child } = this;
    child.kill("SIGKILL");
    await child.exited;
  }

  async stop(): Promise<number> {
    this.wanted = false;
    this.child.kill("SIGTERM");
    return this.child.exited;
  }
}

async function work(kind: CarrierKind, carrierUrl: string, serviceUrl: string): Promise<void> {
  const stopped = new Promise<void>((resolve) => process.once("SIGTERM", resolve));
  const sql = await openService(serviceUrl);
  const bus = new Bus({ carrier: await openCarrier(kind, carrierUrl), log: silentLog });
  await bus.relay(sql);
  bus.consume({
    name: CONSUMER,
    subjects: ["load.*.changed"],
    handler: ({ id, subject, data }) =>
      sql.begin(async (tx) => {
        // The carrier is what is tried here, and the service's database is not killed.
        await tx`SET LOCAL synchronous_commit = off`;
        if (await handleOnce(tx, CONSUMER, id)) {
          await tx`INSERT INTO effects (subject, change) VALUES (${subject}, ${data as number})`;
        } else {
          await tx`INSERT INTO repetitions (event_id) VALUES (${id})`;
        }
      }),
  });
  await stopped;
  await bus.close();
  await sql.end({ timeout: 1 });
}

if (import.meta.main) {
  const [kind, carrierUrl, serviceUrl] = process.argv.slice(2) as [CarrierKind, string, string];
  await work(kind, carrierUrl, serviceUrl);
  process.exit(0);
}
