// The data plane once more, on a unix socket, for peers on the same machine: a call costs less there than over TCP.
import { join } from "node:path";
import type { Disk } from "../../std/disk.ts";
import type { Log } from "../../std/log.ts";
import type { Listener } from "../../std/net.ts";
import type { Environment } from "../protocol/connection.ts";
import type { ClusterSecrets } from "../protocol/handshake.ts";
import type { LocalAccess } from "../protocol/local-access.ts";
import { type ServeOptions, serve } from "../protocol/serve.ts";
import { chunksDirectory } from "../store/names.ts";

/** sun_path of unix(7), without the zero at its end. */
const SOCKET_PATH_BYTES_MAX = 107;

export interface LocalPlace {
  /** The machine, as `thisHost` tells it. */
  host: string;
  /** Absolute path of the chunkserver's directory, whose lock is held. */
  directory: string;
}

/** Listens in the directory and tells how to use what is on this machine; without a socket where none can be made. */
export async function listenLocally(
  env: Environment & { disk: Disk; log: Log },
  { host, directory }: LocalPlace,
  secrets: ClusterSecrets,
  options: ServeOptions,
): Promise<{ access: LocalAccess; listener: Listener | undefined }> {
  const chunks = chunksDirectory(directory);
  const path = join(directory, "data.sock");
  const none = { access: { host, chunks }, listener: undefined };
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) return none;
  const socket = `unix:${path}`;
  const access = { host, chunks, socket };
  try {
    // What a killed process left; whoever holds the directory's lock is the only one to listen there.
    await env.disk.remove(path).catch(() => {});
    return { access, listener: await serve(env, socket, secrets, { ...options, local: access }) };
  } catch (error) {
    env.log.warn("no unix socket: TCP has to do", { path, error: (error as Error).message });
    return none;
  }
}
