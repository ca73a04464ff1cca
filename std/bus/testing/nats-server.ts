// For tests only: a real nats-server with JetStream in a temporary directory.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where `./skerry test` unpacks it. */
const UNPACKED = join(import.meta.dir, "../../../node_modules/.cache/nats-server/usr/sbin");
const PROGRAM = Bun.which("nats-server", {
  PATH: `${process.env.PATH}:/usr/sbin:/usr/local/bin:${UNPACKED}`,
});
export const NATS_IS_HERE = PROGRAM !== null;
const READY_MS_MAX = 20_000;
const POLL_MS = 10;

/** Tells what is not tested, once, where nats-server is not installed. */
export function tellMissingNats(): void {
  if (!NATS_IS_HERE)
    console.log("skipped: nats-server is not installed, so nothing over NATS is tested here");
}

export class NatsServer {
  private child: Bun.Subprocess | undefined;
  private port = -1;

  private constructor(private readonly directory: string) {}

  static async start(): Promise<NatsServer> {
    const server = new NatsServer(await mkdtemp(join(tmpdir(), "skerry-nats-")));
    await server.start();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** On the port of the first start. */
  async start(): Promise<void> {
    const where = ["-a", "127.0.0.1", "-p", String(this.port), "--ports_file_dir", this.directory];
    const child = Bun.spawn([PROGRAM!, ...where, "-js", "-sd", join(this.directory, "data")], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    });
    this.child = child;
    const deadline = performance.now() + READY_MS_MAX;
    while (performance.now() < deadline && child.exitCode === null) {
      const port = await this.portOf(child.pid);
      if (port !== undefined && (await takesConnections(port))) {
        this.port = port;
        return;
      }
      await Bun.sleep(POLL_MS);
    }
    throw new Error(`nats-server did not start (exit code ${child.exitCode})`);
  }

  private async portOf(pid: number): Promise<number | undefined> {
    const name = (await readdir(this.directory)).find((file) => file.endsWith(`_${pid}.ports`));
    if (name === undefined) return undefined;
    const text = await readFile(join(this.directory, name), "utf8");
    const match = /nats:\/\/[^:"]+:(\d+)/.exec(text);
    return match ? Number(match[1]) : undefined;
  }

  async kill(): Promise<void> {
    this.child?.kill("SIGKILL");
    await this.child?.exited;
  }

  async remove(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }
}

async function takesConnections(port: number): Promise<boolean> {
  try {
    (await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } })).end();
    return true;
  } catch {
    return false;
  }
}
