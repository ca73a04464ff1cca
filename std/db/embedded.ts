// Runs PostgreSQL as a child of this process on a directory of ours: no system service, no OS package, no set-up.
import { readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Clock, delay, systemClock } from "../clock.ts";
import type { Log } from "../log.ts";
import { type Random, systemRandom } from "../random.ts";
import { type Binaries, findBinaries } from "./binaries.ts";
import { DataDirectory, SERVER_ENVIRONMENT } from "./data-directory.ts";
import { EmbeddedPostgresError } from "./embedded-error.ts";
import { candidateIdentities, chooseIdentity, type Identity } from "./identity.ts";
import { type LauncherLock, lockLauncher } from "./launcher-lock.ts";
import { stopLeftovers } from "./leftovers.ts";
import { followServerLog } from "./server-log.ts";

export interface EmbeddedPostgresOptions {
  /** Holds everything; made when absent. */
  directory: string;
  log: Log;
  clock?: Clock;
  random?: Random;
  /** Which PostgreSQL; found when absent. */
  binaries?: Binaries;
  /** Ways to run unprivileged, best first; those of this machine when absent. */
  identities?: readonly Identity[];
}

export interface EmbeddedPostgres {
  /** `postgres://postgres:PASSWORD@127.0.0.1:PORT`, without a database. A secret. */
  url: string;
  pid: number;
  /** Resolves with the exit code whenever the server ends, asked or not. */
  exited: Promise<number>;
  /** Fast shutdown; resolves when the server is gone. May be called more than once. */
  stop(): Promise<void>;
}

/** Crash recovery replays at most max_wal_size, some seconds on a slow disk. */
const READY_WAIT_MS = 50_000;
const READY_POLL_MS = 20;
/** Their sum stays below the 3 s that a supervisor grants; a server that was cut short recovers at its next start. */
const FAST_STOP_WAIT_MS = 2_000;
const IMMEDIATE_STOP_WAIT_MS = 500;

/**
 * Small: the databases here hold users, keys and settings. A process stays near 30 MB, all of them under 150 MB.
 * Durability is PostgreSQL's default, spelled out because a promise rests on it.
 */
function serverSettings(major: number): Record<string, string> {
  return {
    fsync: "on",
    full_page_writes: "on",
    synchronous_commit: "on",
    shared_buffers: "32MB",
    max_connections: "50",
    work_mem: "4MB",
    maintenance_work_mem: "16MB",
    effective_cache_size: "256MB",
    max_wal_size: "256MB",
    min_wal_size: "32MB",
    max_worker_processes: "2",
    max_parallel_workers: "0",
    max_parallel_workers_per_gather: "0",
    autovacuum_max_workers: "1",
    jit: "off",
    huge_pages: "off",
    listen_addresses: "127.0.0.1",
    password_encryption: "scram-sha-256",
    logging_collector: "off",
    log_destination: "stderr",
    log_line_prefix: "",
    log_checkpoints: "off",
    lc_messages: "C",
    // Three I/O worker processes are worth their memory only where many large scans run.
    ...(major >= 18 ? { io_method: "sync" } : {}),
  };
}

/**
 * Starts PostgreSQL on `directory` and waits until it takes connections. An initdb that was interrupted is done again; servers
 * that an earlier, killed launcher left behind are stopped first. Throws {@link EmbeddedPostgresError}.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { log, clock = systemClock, random = systemRandom } = options;
  const directory = new DataDirectory(resolve(options.directory));
  await directory.prepare();
  const lock = await lockLauncher(directory.path);
  try {
    const binaries = options.binaries ?? (await findBinaries());
    const password = await directory.password(random);
    await clearLeftovers(directory, clock, log);
    const candidates = options.identities ?? (await candidateIdentities());
    const identity = await chooseIdentity(candidates, binaries.postgres, directory.path);
    await directory.initialise(binaries, identity, log);
    const port = await directory.port(random);
    const command = [...identity.prefix, binaries.postgres, ...serverArguments(directory, port, binaries)];
    const server = new RunningServer(command, directory, lock, clock, log);
    await server.ready();
    log.info("PostgreSQL is ready", { port, pid: server.pid, version: binaries.major, as: identity.name });
    return {
      url: serverUrl(password, port),
      pid: server.pid,
      exited: server.exited,
      stop: () => server.stop(),
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/**
 * The URL of the server that another process runs on `path`, or undefined where none was ever started. A secret.
 */
export async function embeddedUrl(path: string): Promise<string | undefined> {
  const read = (name: string) => readFile(join(path, name), "utf8").catch(() => undefined);
  const [password, port] = await Promise.all([read("password"), read("port")]);
  return password && port ? serverUrl(password.trim(), Number(port)) : undefined;
}

function serverUrl(password: string, port: number): string {
  return `postgres://postgres:${password}@127.0.0.1:${port}`;
}

async function clearLeftovers(directory: DataDirectory, clock: Clock, log: Log): Promise<void> {
  const recorded = join(directory.data, "postmaster.pid");
  if (!(await Bun.file(join(directory.data, "PG_VERSION")).exists())) return;
  await stopLeftovers(directory.data, clock, log);
  // The pid in it may be another program's by now, and PostgreSQL would then refuse to start. We hold the launcher's
  // lock and saw no server process in this directory, so the file is stale.
  await rm(recorded, { force: true });
}

function serverArguments(directory: DataDirectory, port: number, { major }: Binaries): string[] {
  // No Unix socket: nobody here uses one, and its lock file, left by a kill, can keep the next server from starting.
  const settings = { ...serverSettings(major), unix_socket_directories: "", port: String(port) };
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  return ["-D", directory.data, ...flags];
}

/** A server process from its start to its end. */
class RunningServer {
  readonly pid: number;
  readonly exited: Promise<number>;
  private readonly child: Bun.Subprocess<"ignore", "ignore", "pipe">;
  private readonly lastLines: Promise<string[]>;
  private ended = false;
  private stopping: Promise<void> | undefined;

  constructor(
    command: string[],
    private readonly directory: DataDirectory,
    lock: LauncherLock,
    private readonly clock: Clock,
    log: Log,
  ) {
    this.child = Bun.spawn(command, {
      cwd: directory.path,
      env: SERVER_ENVIRONMENT,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    this.pid = this.child.pid;
    this.lastLines = followServerLog(this.child.stderr, log);
    this.exited = this.child.exited.then(async (code) => {
      this.ended = true;
      await lock.release();
      return code;
    });
  }

  /** Waits for the status line of postmaster.pid, as pg_ctl does. */
  async ready(): Promise<void> {
    const until = this.clock.monotonic() + READY_WAIT_MS;
    while (this.clock.monotonic() < until) {
      if (this.ended) return this.failed(`PostgreSQL ended with ${await this.exited}`);
      if (await this.isReady()) return;
      await delay(this.clock, READY_POLL_MS);
    }
    await this.stop();
    return this.failed(`PostgreSQL was not ready after ${READY_WAIT_MS / 1000} s`);
  }

  private async isReady(): Promise<boolean> {
    const text = await readFile(join(this.directory.data, "postmaster.pid"), "utf8").catch(() => "");
    const lines = text.split("\n");
    return Number(lines[0]) === this.pid && lines[7]?.trim() === "ready";
  }

  private async failed(what: string): Promise<never> {
    throw new EmbeddedPostgresError(
      "start_failed",
      `${what}. Its last words:\n${(await this.lastLines).join("\n")}`,
    );
  }

  stop(): Promise<void> {
    this.stopping ??= this.shutDown();
    return this.stopping;
  }

  /** Fast, then immediate (recovery at the next start), then by force. */
  private async shutDown(): Promise<void> {
    this.child.kill("SIGINT");
    if (await this.endsWithin(FAST_STOP_WAIT_MS)) return;
    this.child.kill("SIGQUIT");
    if (await this.endsWithin(IMMEDIATE_STOP_WAIT_MS)) return;
    this.child.kill("SIGKILL");
    await this.exited;
  }

  private async endsWithin(ms: number): Promise<boolean> {
    const timedOut = Promise.withResolvers<boolean>();
    const timer = this.clock.after(ms, () => timedOut.resolve(false));
    const ended = await Promise.race([this.exited.then(() => true), timedOut.promise]);
    timer.cancel();
    return ended;
  }
}
