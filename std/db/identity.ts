// PostgreSQL refuses to run as root. Under root it runs in a user namespace where our uid looks like nobody's: no
// OS user, no chown, and node_modules may lie under a 0700 home. Where namespaces are forbidden, it runs as an OS user.
import { lchown, lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { EmbeddedPostgresError } from "./embedded-error.ts";

/** How to run a program unprivileged. */
export interface Identity {
  name: string;
  /** Put before the program and its arguments; the program keeps the pid. */
  prefix: string[];
  /** Who must own the files, as seen from here. */
  uid: number;
  gid: number;
}

/** INT is PostgreSQL's fast shutdown: should the launcher be killed, the server still stops cleanly. */
const DIE_WITH_PARENT = ["--pdeathsig", "INT"];
const UNSHARE = Bun.which("unshare") ?? "/usr/bin/unshare";
const SETPRIV = Bun.which("setpriv") ?? "/usr/bin/setpriv";
/** `postgres` before `nobody`, whose files any other service that runs as nobody could read. */
const FALLBACK_USERS = ["postgres", "nobody"];

/** The ways to try on this machine, best first. */
export async function candidateIdentities(): Promise<Identity[]> {
  const uid = process.getuid?.() ?? -1;
  const gid = process.getgid?.() ?? -1;
  if (uid !== 0) {
    return [
      { name: "this user", prefix: [SETPRIV, ...DIE_WITH_PARENT, "--"], uid, gid },
      { name: "this user", prefix: [], uid, gid },
    ];
  }
  const namespace = [UNSHARE, "--user", "--map-user=65534", "--map-group=65534", "--"];
  const candidates: Identity[] = [
    { name: "user namespace", prefix: [...namespace, SETPRIV, ...DIE_WITH_PARENT, "--"], uid, gid },
    { name: "user namespace", prefix: namespace, uid, gid },
  ];
  for (const user of FALLBACK_USERS) {
    const found = await osUser(user);
    if (found) candidates.push(userIdentity(user, found));
  }
  return candidates;
}

/** Runs as an OS user by setpriv. */
function userIdentity(user: string, { uid, gid }: { uid: number; gid: number }): Identity {
  const become = ["--reuid", String(uid), "--regid", String(gid), "--clear-groups"];
  return { name: `OS user ${user}`, prefix: [SETPRIV, ...become, ...DIE_WITH_PARENT, "--"], uid, gid };
}

async function osUser(name: string): Promise<{ uid: number; gid: number } | undefined> {
  const lines = (await readFile("/etc/passwd", "utf8").catch(() => "")).split("\n");
  const fields = lines.map((line) => line.split(":")).find(([user]) => user === name);
  const [uid, gid] = [Number(fields?.[2]), Number(fields?.[3])];
  return Number.isInteger(uid) && Number.isInteger(gid) ? { uid, gid } : undefined;
}

/**
 * Takes the first candidate that can run `program` and write to `directory`, and gives `directory` to it.
 * Throws `no_identity` with every reason.
 */
export async function chooseIdentity(
  candidates: readonly Identity[],
  program: string,
  directory: string,
): Promise<Identity> {
  const reasons: string[] = [];
  for (const identity of candidates) {
    const problem = await tryIdentity(identity, program, directory);
    if (problem === undefined) return identity;
    reasons.push(`${identity.name} (${identity.prefix.join(" ")}): ${problem}`);
  }
  throw new EmbeddedPostgresError(
    "no_identity",
    `PostgreSQL does not run as root, and no other way worked:\n${reasons.join("\n")}\n` +
      `Do one of these: start Skerry as an ordinary user; allow user namespaces ` +
      `(sysctl kernel.unprivileged_userns_clone=1, or a container profile with unshare); make the OS user ` +
      `"postgres" able to reach ${program} and ${directory}; or give the URL of a running PostgreSQL`,
  );
}

async function tryIdentity(
  identity: Identity,
  program: string,
  directory: string,
): Promise<string | undefined> {
  const runs = attempt([...identity.prefix, program, "--version"]);
  if (runs !== undefined) return `cannot run ${program}: ${runs}`;
  await ownTree(directory, identity);
  const writes = attempt([...identity.prefix, "test", "-w", directory, "-a", "-x", directory]);
  return writes === undefined ? undefined : `cannot write to ${directory}`;
}

/** Undefined when the command succeeds, else why not. */
function attempt(command: string[]): string | undefined {
  try {
    const { exitCode, stderr } = Bun.spawnSync(command, { stdin: "ignore", stdout: "ignore" });
    return exitCode === 0 ? undefined : stderr.toString().trim().slice(0, 200) || `exit code ${exitCode}`;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Gives a tree to the identity where it is not its already (an earlier start may have run as another one). */
async function ownTree(path: string, identity: Identity): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const stats = await lstat(path);
  if (stats.isDirectory()) {
    for (const name of await readdir(path)) await ownTree(join(path, name), identity);
  }
  if (stats.uid !== identity.uid) await lchown(path, identity.uid, identity.gid);
}
