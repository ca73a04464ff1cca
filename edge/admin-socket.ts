// The operator's door: a Unix socket that only the owner of the data directory can open. Whoever can is an administrator.
import { chmod, rm } from "node:fs/promises";
import { requestIds } from "../apis/request-ids.ts";
import type { MountedApis } from "../apis/serve.ts";
import type { Random } from "../std/random.ts";
import type { Problems } from "./health.ts";

/** `GET /status`. */
export interface AdminStatus {
  /** Why the gateway cannot serve; empty when it can. */
  health: Problems;
  /** The master's status; null where it does not answer. */
  storage: Awaited<ReturnType<MountedApis["storageStatus"]>> | null;
}

const AUDIT_PATH = /^\/audit(\/|$)/;
const EVENTS_PATH = /^\/events(\/|$)/;
/** What the storage answers; the rest is the auth API's. */
const STORAGE_PATH = /^\/(chunkservers|orphans)(\/|$)/;
const ADMIN_BODY_SIZE_MAX = 64 << 10;

export interface AdminSocket {
  close(): Promise<void>;
}

/**
 * Serves the status, the audit log, the events and the auth API, every request as an administrator's, at `path`. The directory of `path` must be
 * closed to others: a socket's own mode is set only after it is there.
 */
export async function listenAdmin(path: string, apis: MountedApis, random: Random): Promise<AdminSocket> {
  const nextRequestId = requestIds(random);
  // The socket of a gateway that was killed.
  await rm(path, { force: true });
  const server = Bun.serve({
    unix: path,
    maxRequestBodySize: ADMIN_BODY_SIZE_MAX,
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/status") return Response.json(await adminStatus(apis));
      const origin = { source: "admin socket", requestId: nextRequestId(), overTls: false };
      if (AUDIT_PATH.test(pathname)) return apis.audit(request, origin);
      if (EVENTS_PATH.test(pathname)) return apis.events(request, origin);
      if (STORAGE_PATH.test(pathname)) return apis.chunkservers(request);
      return apis.admin(request, origin);
    },
  });
  await chmod(path, 0o600);
  return {
    async close() {
      await server.stop(true);
      await rm(path, { force: true });
    },
  };
}

async function adminStatus(apis: MountedApis): Promise<AdminStatus> {
  const [health, storage] = await Promise.all([apis.problems(), apis.storageStatus().catch(() => null)]);
  return { health, storage };
}
