import type { Address } from "../../std/net.ts";
import { type Connection, type ConnectionOptions, dial, type Environment, type Peer } from "./connection.ts";
import type { ClusterSecrets } from "./handshake.ts";

/**
 * Dials the chunkserver at `address`; when it turns out to run on this machine, `host`, and to offer a unix socket there, goes on
 * over that. Rejects as {@link dial}.
 */
export async function dialNear(
  env: Environment,
  address: Address,
  secrets: ClusterSecrets,
  self: Peer,
  options: Omit<ConnectionOptions, "clock">,
  host: string | undefined,
): Promise<Connection> {
  const far = await dial(env, { address, role: "chunkserver" }, secrets, self, options);
  const { local } = far;
  if (host === undefined || local?.host !== host || local.socket === undefined) return far;
  try {
    const near = await dial(env, { address: local.socket, role: "chunkserver" }, secrets, self, options);
    far.close();
    return near;
  } catch {
    return far; // The socket is out of reach, as from another container: TCP has to do.
  }
}
