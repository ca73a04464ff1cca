import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemDisk } from "../../../std/disk.ts";
import { startChunkserver } from "../../server/chunkserver.ts";
import type { LocalHost } from "../local-reads.ts";
import { environment, SECRETS, TestCluster, type TestServer } from "./test-cluster.ts";

export interface RealServer extends TestServer {
  readonly directory: string;
}

/**
 * Three chunkservers of this process, each on a directory of its own that goes away with it. `local`: the machine that
 * they and their clients are on; without it they do not know that it is the same.
 */
export async function realCluster(local?: LocalHost): Promise<TestCluster<RealServer>> {
  const servers = await Promise.all(["cs1", "cs2", "cs3"].map((id) => startServer(id, local?.host)));
  return new TestCluster(servers, undefined, { local });
}

async function startServer(id: string, host: string | undefined): Promise<RealServer> {
  const directory = await mkdtemp(join(tmpdir(), "skerry-client-"));
  const server = await startChunkserver(
    { ...environment(), disk: systemDisk },
    {
      directory,
      id,
      listen: "127.0.0.1:0",
      secrets: SECRETS,
      local: host === undefined ? undefined : { host, directory },
    },
  );
  let killing: Promise<void> | undefined;
  return {
    id,
    directory,
    address: server.address,
    incarnation: server.incarnation,
    kill() {
      killing ??= server.close().then(() => rm(directory, { recursive: true }));
      return killing;
    },
  };
}
