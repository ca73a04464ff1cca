import type { AdminClient } from "../admin.ts";
import { CommandError } from "../command.ts";
import type { FirstSecrets } from "./first-start.ts";

const CONFLICT = 409;

/**
 * Makes the administrator and the key pair of `secrets`. Where an earlier first start had come so far, they are there
 * already, with the same secrets.
 */
export async function makeFirstUser(admin: AdminClient, secrets: FirstSecrets): Promise<void> {
  const { user, password, accessKeyId, secretAccessKey } = secrets;
  await once(admin, "/users", { name: user, password, admin: true });
  await once(admin, "/keys/import", { user, accessKeyId, secretAccessKey });
}

async function once(admin: AdminClient, path: string, body: unknown): Promise<void> {
  const { status, body: answer } = await admin.ask("POST", path, body);
  if ((status >= 200 && status < 300) || status === CONFLICT) return;
  throw new CommandError(`the first user could not be made: ${status} ${JSON.stringify(answer)}`);
}
