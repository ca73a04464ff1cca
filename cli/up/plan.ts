// What each role of `up` is started with. Addresses are known once the roles before it are ready.
import { join } from "node:path";
import { assert } from "../../std/assert.ts";
import type { Environment } from "../command.ts";
import type { DataDirectory } from "../data-directory.ts";
import { usesEmbedded } from "../databases-file.ts";
import { type Probe, probeOf } from "../supervisor/liveness.ts";
import type { RoleSpec } from "../supervisor/managed-role.ts";
import type { Ready } from "../supervisor/role-process.ts";
import { SELF } from "../version.ts";
import type { UpConfig } from "./settings.ts";

export const REGION = "us-east-1";

/** A first start makes a database; a start after a crash replays journals. */
const READY_TIMEOUT_MS = 60_000;
/**
 * Groups stop one after another, and all of it in 10 s: the gateway first, whose requests end meanwhile, then the
 * chunkservers, then master and database together.
 */
const STOP_TIMEOUT_MS = { edge: 4_000, chunkd: 2_000, masterd: 3_000, postgres: 3_000 };

/** Ports on loopback, for this machine alone. */
export interface LoopbackPorts {
  /** gRPC of the storage master. */
  master: number;
  /** Metrics of all roles. */
  metrics: number;
}

export class Plan {
  private readonly ready = new Map<string, Ready>();

  constructor(
    private readonly data: DataDirectory,
    private readonly config: UpConfig,
    private readonly chunkDirectories: readonly string[],
    private readonly ports: LoopbackPorts,
    private readonly files: { apisCluster: string; site: string },
  ) {}

  /** Notes the addresses that a role is at; later starts are built from them. */
  record(name: string, ready: Ready): void {
    this.ready.set(name, ready);
  }

  /** Where the role `name` was when it was ready last, if it ever was. */
  recordedUrl(name: string): unknown {
    return this.ready.get(name)?.url;
  }

  /** Where the storage master answered when it was ready last, if it ever was. */
  get masterAddress(): string | undefined {
    return this.ready.get("masterd")?.address as string | undefined;
  }

  /** The ready line of the role `name`. */
  readyOf(name: string): Ready {
    const ready = this.ready.get(name);
    assert(ready !== undefined, `${name} is asked for before it is ready`);
    return ready;
  }

  /** In the order of their start. */
  groups(): { base: RoleSpec[]; chunkservers: RoleSpec[]; edge: RoleSpec[] } {
    const chunkservers = this.chunkDirectories.map((directory, index) => this.chunkd(directory, index + 1));
    const base = usesEmbedded(this.config) ? [this.postgres(), this.masterd()] : [this.masterd()];
    return { base, chunkservers, edge: [this.edge()] };
  }

  private postgres(): RoleSpec {
    return this.spec("postgres", "postgres", () => ({ dir: this.data.at("postgres") }));
  }

  private masterd(): RoleSpec {
    const settings = () => ({
      dir: this.data.at("masterd"),
      cluster: this.data.clusterFile,
      // Started again, it must be where everybody looks for it.
      listen: this.ready.get("masterd")?.address ?? "127.0.0.1:0",
      grpcListen: `127.0.0.1:${this.ports.master}`,
      metricsListen: `unix:${this.metricsSocket("masterd")}`,
    });
    return { ...this.spec("masterd", "masterd", settings), probe: this.socketProbe("masterd") };
  }

  private chunkd(directory: string, number: number): RoleSpec {
    const name = `chunkd-${number}`;
    const settings = () => ({
      dir: directory,
      cluster: this.data.clusterFile,
      master: this.readyOf("masterd").address,
      metricsListen: `unix:${this.metricsSocket(name)}`,
    });
    return { ...this.spec(name, "chunkd", settings), probe: this.socketProbe(name) };
  }

  /** The gateway alone has a port for metrics, and fetches those of the others from here. */
  private metricsSocket(role: string): string {
    return join(this.data.sockets, `${role}.prom`);
  }

  private socketProbe(role: string): Probe {
    return probeOf("http://role", this.metricsSocket(role));
  }

  private edge(): RoleSpec {
    const { config, data } = this;
    const settings = () => {
      const before = this.ready.get("edge");
      return {
        host: config.host,
        httpsPort: before?.httpsPort ?? config.httpsPort,
        httpPort: before?.httpPort ?? config.httpPort,
        s3Port: before?.s3Port ?? config.s3Port,
        domain: config.domain,
        region: REGION,
        master: this.readyOf("masterd").address,
        cluster: this.files.apisCluster,
        tlsDir: data.at("tls"),
        kek: data.at("auth", "kek"),
        webDir: this.files.site,
        adminSocket: data.adminSocket,
        accessLog: config.accessLog,
        auditObjects: config.auditObjects ? "on" : "off",
        metricsListen: before?.metricsAddress ?? `127.0.0.1:${this.ports.metrics}`,
        metricsSockets: data.sockets,
      };
    };
    // The URLs hold passwords: arguments can be read by every user of the machine, variables cannot.
    const environment = () => ({
      SKERRY_DATABASE_URL: usesEmbedded(config) ? String(this.readyOf("postgres").url) : config.databaseUrl,
      SKERRY_AUTH_DATABASE_URL: config.authDatabaseUrl,
      SKERRY_AUDIT_DATABASE_URL: config.auditDatabaseUrl,
      SKERRY_AUDIT_DATABASE_REPLICA_URL: config.auditDatabaseReplicaUrl,
      SKERRY_EVENTS_DATABASE_URL: config.eventsDatabaseUrl,
      SKERRY_NATS_URL: config.natsUrl,
    });
    const probe: Probe = (signal) => probeOf(`http://${this.readyOf("edge").metricsAddress}`)(signal);
    return { ...this.spec("edge", "edge", settings), environment, probe };
  }

  private spec(
    name: string,
    role: keyof typeof STOP_TIMEOUT_MS,
    settings: () => Record<string, unknown>,
  ): RoleSpec {
    return {
      name,
      command: () => [...SELF, role, ...flags(settings())],
      environment: (): Environment => ({}),
      readyTimeoutMs: READY_TIMEOUT_MS,
      stopTimeoutMs: STOP_TIMEOUT_MS[role],
    };
  }
}

function flags(settings: Record<string, unknown>): string[] {
  return Object.entries(settings).map(([name, value]) => {
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    return `--${flag}=${value}`;
  });
}
