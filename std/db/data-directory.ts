// What lies in the launcher's directory:
//   password   of the role postgres, 0600, made before the data so that a crash in between leaves nothing half-known
//   data/      the cluster; initdb works in data.new/ and only a finished one gets the name
//   port       the TCP port of the last start, kept so that clients find a restarted server where it was
import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory, writeDurably } from "../durable-file.ts";
import type { Log } from "../log.ts";
import type { Random } from "../random.ts";
import type { Binaries } from "./binaries.ts";
import { EmbeddedPostgresError } from "./embedded-error.ts";
import type { Identity } from "./identity.ts";

const PASSWORD_BYTES = 24;
/** Below the kernel's ephemeral ports, so that no outgoing connection takes ours while the server restarts. */
const PORT_MIN = 20_000;
const PORT_MAX = 32_767;
const PORT_ATTEMPTS_MAX = 50;

/** All of it: nothing of our own environment may change a server or reach it. */
export const SERVER_ENVIRONMENT = { LC_ALL: "C", TZ: "UTC" };

export class DataDirectory {
  readonly data: string;

  constructor(readonly path: string) {
    this.data = join(path, "data");
  }

  /** Makes the directory itself, closed to others. */
  async prepare(): Promise<void> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    await chmod(this.path, 0o700);
  }

  /** The password of the role postgres; made on the first start. */
  async password(random: Random): Promise<string> {
    const path = join(this.path, "password");
    const present = await readFile(path, "utf8").catch(absentAsUndefined);
    if (present?.trim()) return present.trim();
    if (existsSync(this.data)) {
      throw new EmbeddedPostgresError(
        "password_missing",
        `${path} is missing, but the database ${this.data} is there: put the file back from a backup`,
      );
    }
    const password = random.bytes(PASSWORD_BYTES).toString("hex");
    await writeDurably(path, `${password}\n`, 0o600);
    return password;
  }

  /** Runs initdb unless a finished cluster is there; one that was interrupted is thrown away and made again. */
  async initialise(binaries: Binaries, identity: Identity, log: Log): Promise<void> {
    if (existsSync(this.data)) return this.checkVersion(binaries);
    const unfinished = `${this.data}.new`;
    await rm(unfinished, { recursive: true, force: true });
    log.info("making a new PostgreSQL cluster", { directory: this.data, version: binaries.major });
    const options = ["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"];
    const files = [`--pgdata=${unfinished}`, `--pwfile=${join(this.path, "password")}`];
    const child = Bun.spawn([...identity.prefix, binaries.initdb, ...options, ...files, "--data-checksums"], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
      cwd: this.path,
      env: SERVER_ENVIRONMENT,
    });
    const [exitCode, stderr] = await Promise.all([child.exited, new Response(child.stderr).text()]);
    if (exitCode !== 0) {
      throw new EmbeddedPostgresError("initdb_failed", `initdb ended with ${exitCode}: ${stderr.trim()}`);
    }
    await rename(unfinished, this.data);
    await syncDirectory(this.path);
  }

  private async checkVersion(binaries: Binaries): Promise<void> {
    const found = Number((await readFile(join(this.data, "PG_VERSION"), "utf8")).trim());
    if (found === binaries.major) return;
    throw new EmbeddedPostgresError(
      "version_mismatch",
      `${this.data} was made by PostgreSQL ${found}, but ${binaries.postgres} is ${binaries.major}: ` +
        `install version ${found}, or move the data over with pg_upgrade`,
    );
  }

  /** The port of the last start while it is free, else a free one, which is remembered. */
  async port(random: Random): Promise<number> {
    const path = join(this.path, "port");
    const remembered = Number(await readFile(path, "utf8").catch(absentAsUndefined));
    if (remembered >= PORT_MIN && remembered <= PORT_MAX && isFree(remembered)) return remembered;
    for (let attempt = 0; attempt < PORT_ATTEMPTS_MAX; attempt++) {
      const port = PORT_MIN + Math.floor(random.float() * (PORT_MAX - PORT_MIN + 1));
      if (!isFree(port)) continue;
      await writeDurably(path, `${port}\n`, 0o600);
      return port;
    }
    throw new EmbeddedPostgresError(
      "no_port",
      `Found no free TCP port from ${PORT_MIN} to ${PORT_MAX} on 127.0.0.1 in ${PORT_ATTEMPTS_MAX} tries`,
    );
  }
}

function absentAsUndefined(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

function isFree(port: number): boolean {
  try {
    Bun.listen({ hostname: "127.0.0.1", port, exclusive: true, socket: { data() {} } }).stop(true);
    return true;
  } catch {
    return false;
  }
}
