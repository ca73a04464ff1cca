import { readFile } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { isWildcard } from "../../edge/tls/names.ts";
import { writeDurably } from "../../std/durable-file.ts";
import type { DataDirectory } from "../data-directory.ts";
import type { FirstSecrets } from "./first-start.ts";

/** `credentials.json`; scripts rely on its form. */
export interface Credentials {
  console: { url: string; user: string; password: string };
  s3: { endpoint: string; region: string; accessKeyId: string; secretAccessKey: string };
  ssh: { host: string; port: number };
  /** Path of the certificate to trust. */
  ca: string;
}

/** Where the running cloud is reached. */
export interface Endpoints {
  console: string;
  s3: string;
  sshHost: string;
  sshPort: number;
  region: string;
  ca: string;
}

/** The endpoints on the ports that were really taken. They are addresses, so that they work without any DNS. */
export function endpointsAt(
  host: string,
  ports: { https: number; s3: number; ssh: number },
  region: string,
  ca: string,
): Endpoints {
  const reached = host === "::" ? "::1" : isWildcard(host) ? "127.0.0.1" : host;
  const authority = isIPv6(reached) ? `[${reached}]` : reached;
  return {
    console: `https://${authority}:${ports.https}`,
    s3: `http://${authority}:${ports.s3}`,
    sshHost: reached,
    sshPort: ports.ssh,
    region,
    ca,
  };
}

export async function writeCredentials(
  data: DataDirectory,
  secrets: FirstSecrets,
  endpoints: Endpoints,
): Promise<void> {
  const { user, password, accessKeyId, secretAccessKey } = secrets;
  await store(data, {
    console: { url: endpoints.console, user, password },
    s3: { endpoint: endpoints.s3, region: endpoints.region, accessKeyId, secretAccessKey },
    ssh: { host: endpoints.sshHost, port: endpoints.sshPort },
    ca: endpoints.ca,
  });
}

/** Puts the present endpoints into a file that a first start has written; where somebody removed it, it stays away. */
export async function refreshCredentials(data: DataDirectory, endpoints: Endpoints): Promise<void> {
  const present = await read(data);
  if (!present) return;
  const fresh: Credentials = {
    console: { ...present.console, url: endpoints.console },
    s3: { ...present.s3, endpoint: endpoints.s3, region: endpoints.region },
    ssh: { host: endpoints.sshHost, port: endpoints.sshPort },
    ca: endpoints.ca,
  };
  if (!Bun.deepEquals(present, fresh)) await store(data, fresh);
}

async function read(data: DataDirectory): Promise<Credentials | undefined> {
  try {
    return JSON.parse(await readFile(data.credentialsFile, "utf8")) as Credentials;
  } catch {
    return undefined;
  }
}

function store(data: DataDirectory, credentials: Credentials): Promise<void> {
  return writeDurably(data.credentialsFile, `${JSON.stringify(credentials, null, 2)}\n`, 0o600);
}
