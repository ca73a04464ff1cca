// A whole storage: a real master and three real chunkservers on loopback and temporary directories, the S3 port in
// front of them, and an AWS SDK client at its defaults.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { S3Client } from "@aws-sdk/client-s3";
import { ChunkReader } from "../../../chunkd/client/reader.ts";
import { ChunkWriter } from "../../../chunkd/client/writer.ts";
import { type Chunkserver, startChunkserver } from "../../../chunkd/server/chunkserver.ts";
import { connectMaster, type MasterConnection } from "../../../masterd/client/client.ts";
import { type Master, startMaster } from "../../../masterd/server/start.ts";
import { systemClock } from "../../../std/clock.ts";
import { systemDisk } from "../../../std/disk.ts";
import { silentLog } from "../../../std/log.ts";
import { systemNet } from "../../../std/net.ts";
import { systemRandom } from "../../../std/random.ts";
import { ObjectStore } from "../objects.ts";
import { createS3 } from "../s3/handler.ts";
import { listenS3, type S3Listener } from "../s3/node-http.ts";
import { ACCESS, KEYRING, REGION, USERS, type User } from "./s3-double.ts";

const ENVIRONMENT = {
  clock: systemClock,
  disk: systemDisk,
  net: systemNet,
  random: systemRandom,
  log: silentLog,
};
const SECRETS = {
  clusterId: "0f".repeat(16),
  clusterSecret: "cluster secret",
  controlSecret: "control secret",
};
const SERVERS = 3;

export class StorageCluster {
  private readonly clients: S3Client[] = [];

  private constructor(
    private readonly directory: string,
    private readonly master: Master,
    readonly chunkservers: Chunkserver[],
    readonly masterConnection: MasterConnection,
    private readonly writer: ChunkWriter,
    private readonly reader: ChunkReader,
    private readonly listener: S3Listener,
    readonly store: ObjectStore,
  ) {}

  static async start(): Promise<StorageCluster> {
    const directory = await mkdtemp(join(tmpdir(), "skerry-storage-"));
    const listen = "127.0.0.1:0";
    const master = await startMaster(ENVIRONMENT, {
      directory: join(directory, "master"),
      listen,
      secrets: SECRETS,
    });
    const chunkservers: Chunkserver[] = [];
    for (let index = 0; index < SERVERS; index++) {
      chunkservers.push(
        await startChunkserver(ENVIRONMENT, {
          directory: join(directory, `chunkserver-${index}`),
          listen,
          master: master.address,
          secrets: SECRETS,
        }),
      );
    }
    await Promise.all(chunkservers.map((server) => server.registered));
    const connection = connectMaster(ENVIRONMENT, { address: master.address, secrets: SECRETS, id: "api" });
    const writer = new ChunkWriter(ENVIRONMENT, SECRETS, connection, { id: "api" });
    const reader = new ChunkReader(ENVIRONMENT, SECRETS, connection, { id: "api" });
    const store = new ObjectStore({ master: connection, writer, reader, clock: systemClock });
    const handler = createS3({ ...ENVIRONMENT, store, keyring: KEYRING, access: ACCESS, region: REGION });
    const listener = await listenS3(handler, { ...ENVIRONMENT, hostname: "127.0.0.1", port: 0 });
    return new StorageCluster(directory, master, chunkservers, connection, writer, reader, listener, store);
  }

  get port(): number {
    return this.listener.port;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** An SDK client as a user would make it: endpoint, keys, nothing else. */
  client(as: User): S3Client {
    const client = new S3Client({
      endpoint: this.endpoint,
      region: REGION,
      forcePathStyle: true,
      credentials: USERS[as],
      maxAttempts: 1,
    });
    this.clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    for (const client of this.clients) client.destroy();
    await this.listener.close(0);
    await this.writer.close();
    await this.reader.close();
    this.masterConnection.close();
    for (const server of this.chunkservers) await server.close();
    await this.master.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}
