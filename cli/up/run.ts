import { systemClock } from "../../std/clock.ts";
import { jsonLog, type Log } from "../../std/log.ts";
import { systemRandom } from "../../std/random.ts";
import { buildDashboard } from "../../web/build.ts";
import { AdminClient } from "../admin.ts";
import { refuseHalfRestored } from "../backup/restoring.ts";
import { CommandError, type Environment, EXIT, type ExitCode, type Output } from "../command.ts";
import { DataDirectory } from "../data-directory.ts";
import { recordDatabases } from "../databases-file.ts";
import { endLeftovers, lockInstance, type Urls, writeState } from "../instance.ts";
import type { RoleSpec } from "../supervisor/managed-role.ts";
import { identify } from "../supervisor/process-identity.ts";
import type { Ready } from "../supervisor/role-process.ts";
import { Supervisor } from "../supervisor/supervisor.ts";
import { VERSION } from "../version.ts";
import { type Endpoints, endpointsAt, refreshCredentials, writeCredentials } from "./credentials.ts";
import { type FirstSecrets, forgetFirstSecrets, prepareSecrets, writeApisCluster } from "./first-start.ts";
import { makeFirstUser } from "./first-user.ts";
import { settleLayout } from "./layout.ts";
import type { LogSink } from "./log-sink.ts";
import { type LoopbackPorts, Plan, REGION } from "./plan.ts";
import { checkDistinct, checkFree, freePort, isFree, type WantedPort } from "./ports.ts";
import { Progress } from "./progress.ts";
import { MASTER_PORT, METRICS_PORT, type UpConfig } from "./settings.ts";

/** Roles of a supervisor that was killed have noticed long before. */
const LEFTOVER_MS_MAX = 10_000;
const CHUNKSERVERS_DURABLE = 3;

/** Runs the whole cloud until a signal; resolves when nothing of it is left. */
export async function runCloud(
  config: UpConfig,
  environment: Environment,
  output: Output,
  openSink: (data: DataDirectory) => LogSink,
): Promise<ExitCode> {
  const data = new DataDirectory(config.data);
  await data.prepare();
  const lock = await lockInstance(data);
  const sink = openSink(data);
  try {
    const progress = new Progress(output);
    const prepared = await prepare(data, config, progress);
    return await new Cloud(data, config, prepared, progress, sink, environment).run();
  } finally {
    sink.close();
    await lock.release();
  }
}

interface Prepared {
  plan: Plan;
  /** Present while the first start is not through. */
  secrets: FirstSecrets | undefined;
}

/** All that can be wrong before anything is started is found here. */
async function prepare(data: DataDirectory, config: UpConfig, progress: Progress): Promise<Prepared> {
  await refuseHalfRestored(data);
  await endLeftovers(data, LEFTOVER_MS_MAX);
  const ports = await checkPorts(config, progress);
  await recordDatabases(data, config);
  const directories = await settleLayout(data, config);
  if (directories.length < CHUNKSERVERS_DURABLE) {
    progress.warn(
      `with ${directories.length} of 3 chunkservers ${directories.length < 2 ? "nothing can be stored" : "no disk may fail"}`,
    );
  }
  const secrets = await prepareSecrets(data, systemRandom);
  const apisCluster = await writeApisCluster(data);
  const site = data.at("run", "web");
  return { plan: new Plan(data, config, directories, ports, { apisCluster, site }), secrets };
}

/** Returns the ports that are for this machine alone. */
async function checkPorts(config: UpConfig, progress: Progress): Promise<LoopbackPorts> {
  const wanted: WantedPort[] = [
    { port: config.httpsPort, purpose: "HTTPS", flag: "--https-port" },
    { port: config.httpPort, purpose: "HTTP", flag: "--http-port" },
    { port: config.s3Port, purpose: "S3", flag: "--s3-port" },
  ];
  const master = { port: config.masterPort ?? 0, purpose: "the storage master", flag: "--master-port" };
  const metrics = { port: config.metricsPort ?? 0, purpose: "metrics", flag: "--metrics-port" };
  checkDistinct([...wanted, master, metrics]);
  await checkFree(config.host, wanted);
  const taken = [...wanted, master, metrics];
  const choose = (port: WantedPort, asked: number | undefined, usual: number): Promise<number> =>
    asked === undefined ? usualPort(port, usual, taken, progress) : askedPort(port);
  return {
    master: await choose(master, config.masterPort, MASTER_PORT),
    metrics: await choose(metrics, config.metricsPort, METRICS_PORT),
  };
}

/** The port that the user chose; throws {@link CommandError} where it is taken. */
async function askedPort(wanted: WantedPort): Promise<number> {
  await checkFree(LOOPBACK, [wanted]);
  return wanted.port === 0 ? freePort(LOOPBACK) : wanted.port;
}

/** The port where users look first, or another one where that is taken. */
async function usualPort(
  { purpose, flag }: WantedPort,
  usual: number,
  taken: readonly WantedPort[],
  progress: Progress,
): Promise<number> {
  const isTaken = taken.some(({ port }) => port === usual) || !(await isFree(LOOPBACK, usual));
  if (!isTaken) return usual;
  const port = await freePort(LOOPBACK);
  progress.warn(`port ${usual} is in use; ${purpose} takes ${port} (${flag} chooses one)`);
  return port;
}

/** So many can store and read everything that they hold. */
const CHUNKSERVERS_MIN = 2;

/** The master and the metrics are for this machine alone. */
const LOOPBACK = "127.0.0.1";

/** A cloud from its first process to its last. */
class Cloud {
  private readonly plan: Plan;
  private readonly secrets: FirstSecrets | undefined;
  private readonly supervisor: Supervisor;
  private readonly log: Log;
  private readonly startedAt = Date.now();
  private readonly stopped = Promise.withResolvers<void>();
  private urls: Urls | undefined;
  private signals = 0;

  constructor(
    private readonly data: DataDirectory,
    private readonly config: UpConfig,
    prepared: Prepared,
    private readonly progress: Progress,
    private readonly sink: LogSink,
    environment: Environment,
  ) {
    this.plan = prepared.plan;
    this.secrets = prepared.secrets;
    this.log = jsonLog((line) => sink.line("supervisor", line.trimEnd()));
    this.supervisor = new Supervisor({
      clock: systemClock,
      random: systemRandom,
      log: this.log,
      environment: roleEnvironment(environment),
      onLog: (role, line) => sink.line(role, line),
      onReady: (role, ready) => this.onReady(role, ready),
      onChange: () => this.writeState(),
    });
  }

  async run(): Promise<ExitCode> {
    const release = this.listenToSignals();
    try {
      await this.start();
      await this.stopped.promise;
      return EXIT.done;
    } catch (error) {
      // A start that a signal has cut off has done what it was told.
      if (this.signals === 0) throw error;
      return EXIT.done;
    } finally {
      await this.supervisor.stop();
      this.progress.stopped();
      release();
    }
  }

  private async start(): Promise<void> {
    this.writeState();
    const site = buildDashboard(this.data.at("run", "web"));
    site.catch(() => {});
    const { base, chunkservers, edge } = this.plan.groups();
    await this.supervisor.startGroup(base);
    await this.startChunkservers(chunkservers);
    await site;
    await this.supervisor.startGroup(edge);
    const endpoints = this.endpoints();
    await this.finishFirstStart(endpoints);
    const metrics = `http://${this.plan.readyOf("edge").metricsAddress}/`;
    this.urls = { console: endpoints.console, s3: endpoints.s3, metrics };
    this.writeState();
    this.sink.started();
    this.progress.note(`metrics at ${metrics}`);
    this.progress.ready(endpoints.console);
  }

  /** A first start wants all of them; later one that is broken or was removed must not keep the others from serving. */
  private async startChunkservers(specs: readonly RoleSpec[]): Promise<void> {
    const enough = this.secrets ? specs.length : Math.min(CHUNKSERVERS_MIN, specs.length);
    await this.supervisor.startGroup(specs, enough, (why) =>
      this.progress.warn(`going on without it: ${why}`),
    );
  }

  private endpoints(): Endpoints {
    const { httpsPort, s3Port } = this.plan.readyOf("edge");
    const ports = { https: Number(httpsPort), s3: Number(s3Port), ssh: this.config.sshPort };
    return endpointsAt(this.config.host, ports, REGION, this.data.at("tls", "ca.pem"));
  }

  private async finishFirstStart(endpoints: Endpoints): Promise<void> {
    const { data, secrets } = this;
    if (!secrets) return refreshCredentials(data, endpoints);
    await makeFirstUser(await AdminClient.of(data.path), secrets);
    await writeCredentials(data, secrets, endpoints);
    await forgetFirstSecrets(data);
    this.progress.secrets(secrets, endpoints, data.credentialsFile);
  }

  private onReady(role: string, ready: Ready): void {
    const before = this.plan.recordedUrl(role);
    this.plan.record(role, ready);
    if (this.urls === undefined) this.progress.step(`${role} ready`);
    else this.log.info("a role is ready again", { name: role });
    // Its port may have been taken meanwhile: the gateway must learn the new address.
    if (role === "postgres" && before !== undefined && before !== ready.url) this.supervisor.renew("edge");
  }

  private writeState(): void {
    const self = identify(process.pid);
    if (!self) throw new CommandError("this system does not tell when a process was started");
    const { startedAt, urls } = this;
    try {
      const { masterAddress } = this.plan;
      const roles = this.supervisor.statuses;
      writeState(this.data, { ...self, version: VERSION, startedAt, urls, masterAddress, roles });
    } catch (error) {
      // A full disk: `status` then shows what was, but the cloud goes on.
      this.log.warn("the state file could not be written", { error: (error as Error).message });
    }
  }

  /** The first signal stops in order; a second one at once. */
  private listenToSignals(): () => void {
    const onSignal = (name: NodeJS.Signals): void => {
      this.signals++;
      this.log.info("stopping", { signal: name });
      if (this.signals === 1) this.progress.stopping();
      if (this.signals > 1) this.supervisor.stopNow();
      else void this.supervisor.stop().then(() => this.stopped.resolve());
    };
    const names = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
    for (const name of names) process.on(name, onSignal);
    return () => {
      for (const name of names) process.off(name, onSignal);
    };
  }
}

/**
 * What JavaScriptCore takes for the machine's memory, bytes. It lets garbage grow by a share of that before it collects;
 * the roles' garbage is 1 MiB buffers, and on a large machine each role would keep hundreds of MiB of them.
 */
const ROLE_MEMORY_HINT = 384 << 20;

/**
 * JavaScriptCore's last compiler is left out: ten seconds into 4 KiB PUTs from 32 clients, compiler threads took a sixth of the
 * gateway's CPU time with it, a fortieth without, and after forty the time of an operation is the same. A role's time is
 * in native code, system calls and short functions.
 */
const ROLE_COMPILER = { BUN_JSC_useFTLJIT: "0" };

/** `up`'s own variables would be taken for a role's: each role gets its settings as flags. */
function roleEnvironment(environment: Environment): Environment {
  const inherited = Object.entries(environment).filter(([name]) => !name.startsWith("SKERRY_"));
  return {
    BUN_JSC_forceRAMSize: String(ROLE_MEMORY_HINT),
    ...ROLE_COMPILER,
    ...Object.fromEntries(inherited),
    SKERRY_SUPERVISED: "1",
  };
}
