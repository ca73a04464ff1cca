// For tests only: each carrier on a real server that can be killed.
import { type Database, openDatabase } from "../../db/database.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../db/embedded.ts";
import { startTestServer, type TestServer } from "../../db/test-server.ts";
import { type Log, silentLog } from "../../log.ts";
import { type Carrier, RETENTION, type Retention } from "../carrier.ts";
import { openNatsCarrier } from "../nats-carrier.ts";
import { openPostgresCarrier } from "../postgres-carrier.ts";
import { NATS_IS_HERE, NatsServer } from "./nats-server.ts";

export type CarrierKind = "PostgreSQL" | "NATS";

/** An empty stream of its own. */
export interface Place {
  /** What another process opens it with. */
  url: string;
  /** A carrier as one process has it; closed with the place. */
  open(options?: { retention?: Retention; log?: Log }): Promise<Carrier>;
  /** Kills its server, which others may share, by SIGKILL. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  remove(): Promise<void>;
}

export const CARRIERS: { kind: CarrierKind; isHere: boolean }[] = [
  { kind: "PostgreSQL", isHere: true },
  { kind: "NATS", isHere: NATS_IS_HERE },
];

/** Opens what {@link Place.url} names. */
export async function openCarrier(
  kind: CarrierKind,
  url: string,
  { retention = RETENTION, log = silentLog }: { retention?: Retention; log?: Log } = {},
): Promise<Carrier> {
  if (kind === "NATS") return openNatsCarrier({ url, log, retention });
  const sql = await openDatabase(url, "events", { log });
  const carrier = await openPostgresCarrier({ sql, log, retention });
  return closingToo(carrier, sql);
}

function closingToo(carrier: Carrier, sql: Database): Carrier {
  const close = carrier.close.bind(carrier);
  carrier.close = async () => {
    await close();
    await sql.end({ timeout: 0 });
  };
  return carrier;
}

/** Servers of one kind: PostgreSQL takes seconds to make and is shared by the places of a test file. */
export class Places {
  private postgres: KillablePostgres | undefined;
  private made = 0;
  private readonly open: Place[] = [];

  constructor(private readonly kind: CarrierKind) {}

  async make(): Promise<Place> {
    const place = this.kind === "NATS" ? await this.onNats() : await this.onPostgres();
    this.open.push(place);
    return place;
  }

  /** Closes the places that are open. */
  async clear(): Promise<void> {
    await Promise.all(this.open.splice(0).map((place) => place.remove()));
  }

  async remove(): Promise<void> {
    await this.clear();
    await this.postgres?.remove();
  }

  private async onNats(): Promise<Place> {
    const server = await NatsServer.start();
    return placeOn("NATS", server, server.url, () => server.remove());
  }

  private async onPostgres(): Promise<Place> {
    this.postgres ??= await KillablePostgres.start();
    const name = `events${++this.made}`;
    const sql = await openDatabase(this.postgres.url, name, { log: silentLog });
    await sql.end();
    return placeOn("PostgreSQL", this.postgres, `${this.postgres.url}/${name}`, async () => {});
  }
}

interface Killable {
  kill(): Promise<void>;
  start(): Promise<void>;
}

function placeOn(kind: CarrierKind, server: Killable, url: string, removeServer: () => Promise<void>): Place {
  const carriers: Carrier[] = [];
  return {
    url,
    async open(options) {
      const carrier = await openCarrier(kind, url, options);
      carriers.push(carrier);
      return carrier;
    },
    kill: () => server.kill(),
    restart: () => server.start(),
    async remove() {
      await Promise.all(carriers.map((carrier) => carrier.close()));
      await removeServer();
    },
  };
}

export class KillablePostgres implements Killable {
  private constructor(
    private readonly server: TestServer,
    private running: EmbeddedPostgres,
  ) {}

  static async start(): Promise<KillablePostgres> {
    const server = await startTestServer();
    return new KillablePostgres(server, server);
  }

  get url(): string {
    return this.server.url;
  }

  async kill(): Promise<void> {
    process.kill(this.running.pid, "SIGKILL");
    await this.running.exited;
  }

  /** On the port of the first start. */
  async start(): Promise<void> {
    this.running = await startEmbeddedPostgres({ directory: this.server.directory, log: silentLog });
    if (this.running.url !== this.server.url) throw new Error("another program has taken the server's port");
  }

  async remove(): Promise<void> {
    await this.running.stop();
    await this.server.remove();
  }
}
