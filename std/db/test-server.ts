// For tests only: a real PostgreSQL in a temporary directory.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../log.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./embedded.ts";

export interface TestServer extends EmbeddedPostgres {
  directory: string;
  /** Stops it and removes its directory. */
  remove(): Promise<void>;
}

export async function startTestServer(): Promise<TestServer> {
  const directory = await mkdtemp(join(tmpdir(), "skerry-db-"));
  const server = await startEmbeddedPostgres({ directory, log: silentLog });
  return {
    ...server,
    directory,
    async remove() {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
