import { open, realpath } from "node:fs/promises";
import { join } from "node:path";
import { tryLock } from "../flock.ts";
import { EmbeddedPostgresError } from "./embedded-error.ts";

export interface LauncherLock {
  /** May be called more than once. */
  release(): Promise<void>;
}

/** Makes this process the only launcher of `directory`, until it ends; throws `already_running` when there is another. */
export async function lockLauncher(directory: string): Promise<LauncherLock> {
  const path = join(await realpath(directory), "launcher.lock");
  const file = await open(path, "a", 0o600);
  if (tryLock(file.fd)) {
    let released: Promise<void> | undefined;
    return {
      release() {
        released ??= file.close();
        return released;
      },
    };
  }
  await file.close();
  throw new EmbeddedPostgresError(
    "already_running",
    `${directory} is in use by another running launcher of PostgreSQL: stop that one first`,
  );
}
