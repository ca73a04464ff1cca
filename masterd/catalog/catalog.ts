// The state of the master: buckets, objects, uploads, chunks, servers. Changed by `apply` alone.
import { BucketTable } from "./bucket-table.ts";
import { ChunkTable } from "./chunk-table.ts";
import type { CatalogDatabase } from "./database.ts";
import { ObjectTable } from "./object-table.ts";
import { ServerStateTable } from "./server-state-table.ts";
import { UploadTable } from "./upload-table.ts";

export class Catalog {
  readonly buckets: BucketTable;
  readonly objects: ObjectTable;
  readonly uploads: UploadTable;
  readonly chunks: ChunkTable;
  readonly servers: ServerStateTable;

  constructor(readonly database: CatalogDatabase) {
    this.buckets = new BucketTable(database);
    this.objects = new ObjectTable(database);
    this.uploads = new UploadTable(database);
    this.chunks = new ChunkTable(database);
    this.servers = new ServerStateTable(database);
  }
}
