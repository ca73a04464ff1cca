// What `skerry login` leaves for the commands after it: only the person who signed in can read it.
import { chmod, mkdir, readFile, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { writeDurably } from "../../std/durable-file.ts";
import { CommandError, type Environment } from "../command.ts";

const LOGIN = z.object({
  /** The console's origin. */
  url: z.string(),
  user: z.string(),
  accessToken: z.string(),
  /** Of the access token, ms since the epoch. */
  accessExpiresAt: z.number(),
  refreshToken: z.string(),
  /** The certificates to trust beside the system's, PEM. */
  ca: z.string().optional(),
});

export type Login = z.output<typeof LOGIN>;

/** `~/.config/skerry/login.json`, or where XDG_CONFIG_HOME says. */
export function loginPath(environment: Environment): string {
  const home = environment.HOME || homedir();
  return join(environment.XDG_CONFIG_HOME || join(home, ".config"), "skerry", "login.json");
}

/** Throws {@link CommandError} where nobody has signed in, or the file is not as it was written. */
export async function readLogin(path: string): Promise<Login> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") throw new CommandError("not signed in; do so with: skerry login");
    throw error;
  });
  const parsed = LOGIN.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  throw new CommandError(`${path} is damaged; sign in again with: skerry login`);
}

export async function writeLogin(path: string, login: Login): Promise<void> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await chmod(directory, 0o700);
  await writeDurably(path, `${JSON.stringify(login, null, 2)}\n`, 0o600);
}

export async function forgetLogin(path: string): Promise<void> {
  await rm(path, { force: true });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
