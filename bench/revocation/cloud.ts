// A cloud whose APIs run in two processes: in the gateway's own, and in one of the role `apis`, which reaches the auth
// database through a link that can be cut. It has no chunkservers: listing buckets takes none.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type AuthService, createAuth } from "../../apis/auth/service.ts";
import { systemClock } from "../../std/clock.ts";
import { openDatabase } from "../../std/db/database.ts";
import { silentLog } from "../../std/log.ts";
import { systemRandom } from "../../std/random.ts";
import { newSecrets } from "../meta/master.ts";
import { DatabaseLink } from "./database-link.ts";
import { type Process, processAt } from "./places.ts";
import { type Role, startRole } from "./role.ts";

const ANY_PORT = "127.0.0.1:0";

export interface TwoProcessCloud {
  /** The gateway's, then that of the role `apis`. */
  processes: readonly [Process, Process];
  /** Between the second process and the auth database. */
  link: DatabaseLink;
  /** The auth service once more, in this process, to make people and credentials with. */
  auth: AuthService;
  close(): Promise<void>;
}

/** Starts it in a new directory below `scratch`, which `close` removes. Rejects with `StartError`. */
export async function startCloud(scratch: string): Promise<TwoProcessCloud> {
  const directory = await mkdtemp(join(scratch, "skerry-bench-revocation-"));
  const closings: (() => Promise<unknown>)[] = [() => rm(directory, { recursive: true, force: true })];
  const close = async () => {
    for (const closing of closings.reverse()) await closing();
  };
  const start = async (...role: Parameters<typeof startRole>): Promise<Role["ready"]> => {
    const { ready, stop } = await startRole(...role);
    closings.push(stop);
    return ready;
  };
  try {
    const cluster = join(directory, "cluster.json");
    const kek = join(directory, "kek");
    await writeFile(cluster, JSON.stringify(newSecrets()), { mode: 0o600 });
    const database = await start("postgres", { dir: join(directory, "postgres") });
    const masterd = { dir: join(directory, "masterd"), cluster, listen: ANY_PORT, "grpc-listen": ANY_PORT };
    const { address: master } = await start("masterd", masterd);
    const url = String(database.url);
    const link = await DatabaseLink.open(url);
    closings.push(() => link.close());

    const common = { cluster, kek, master: String(master) };
    const tlsDir = join(directory, "tls");
    const ports = { "https-port": "0", "http-port": "0", "s3-port": "0" };
    const edge = await start(
      "edge",
      { ...common, ...ports, "tls-dir": tlsDir },
      { SKERRY_DATABASE_URL: url },
    );
    const apis = await start(
      "apis",
      { ...common, listen: ANY_PORT, "s3-listen": ANY_PORT },
      { SKERRY_DATABASE_URL: link.url, SKERRY_AUDIT_DATABASE_URL: url, SKERRY_EVENTS_DATABASE_URL: url },
    );
    const ca = await Bun.file(join(tlsDir, "ca.pem")).text();
    const processes = [
      processAt("edge", `https://127.0.0.1:${edge.httpsPort}`, `127.0.0.1:${edge.s3Port}`, ca),
      processAt("apis", `http://${apis.address}`, String(apis.s3Address)),
    ] as const;

    const env = { clock: systemClock, random: systemRandom, log: silentLog };
    const sql = await openDatabase(url, "auth", env);
    closings.push(() => sql.end({ timeout: 1 }));
    const auth = await createAuth({ ...env, sql, kekPath: kek, issuer: "https://skerry.localhost" });
    closings.push(() => auth.close());
    return { processes, link, auth, close };
  } catch (error) {
    await close();
    throw error;
  }
}
