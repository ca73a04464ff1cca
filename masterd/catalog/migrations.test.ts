import { Database } from "bun:sqlite";
import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { DamagedStoreError } from "../store/errors.ts";
import { atEnd, cleanUp, testDirectory } from "../testing/test-master.ts";
import { Catalog } from "./catalog.ts";
import { CatalogDatabase } from "./database.ts";

afterEach(cleanUp);

const CLUSTER = "a".repeat(32);

/** What masters of format 1 made, with two chunks and an object. */
const FORMAT_1 = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
CREATE TABLE buckets (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, owner TEXT NOT NULL,
  created_at INTEGER NOT NULL) STRICT;
CREATE TABLE objects (bucket INTEGER NOT NULL, key BLOB NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
  modified_at INTEGER NOT NULL, algorithms TEXT, attributes BLOB NOT NULL, parts BLOB, extents BLOB NOT NULL,
  PRIMARY KEY (bucket, key)) STRICT, WITHOUT ROWID;
CREATE TABLE uploads (bucket INTEGER NOT NULL, key BLOB NOT NULL, id TEXT NOT NULL, initiated_at INTEGER NOT NULL,
  details BLOB NOT NULL, PRIMARY KEY (bucket, key, id)) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX uploads_id ON uploads (id);
CREATE TABLE parts (upload TEXT NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
  modified_at INTEGER NOT NULL, checksums BLOB NOT NULL, extents BLOB NOT NULL,
  PRIMARY KEY (upload, number)) STRICT, WITHOUT ROWID;
CREATE TABLE completions (upload TEXT PRIMARY KEY, at INTEGER NOT NULL, request TEXT NOT NULL,
  response BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX completions_at ON completions (at);
CREATE TABLE chunks (handle INTEGER PRIMARY KEY, version INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'sealed', 'deleting')), length INTEGER NOT NULL,
  live INTEGER NOT NULL CHECK (live >= 0), committed INTEGER NOT NULL, members TEXT NOT NULL,
  changed_at INTEGER NOT NULL) STRICT;
CREATE INDEX chunks_dead ON chunks (changed_at) WHERE live = 0 AND state = 'sealed';
INSERT INTO meta VALUES ('format', 1), ('clusterId', '${CLUSTER}'), ('applied', 17), ('objects', 0), ('chunksOpened', 2);
INSERT INTO buckets VALUES (1, 'bucket', 'u', 5);
INSERT INTO chunks VALUES (7, 2, 'sealed', 500, 0, 500, '["s2","s1","s3"]', 9), (8, 1, 'open', 0, 0, 0, '["s3","s4"]', 9);
`;

async function catalogOfFormat(format: number): Promise<string> {
  const path = join(await testDirectory(), "catalog.sqlite");
  const sqlite = new Database(path, { create: true });
  sqlite.run("PRAGMA journal_mode = WAL");
  sqlite.run(FORMAT_1);
  sqlite.run("UPDATE meta SET value = ? WHERE name = 'format'", [format]);
  sqlite.close();
  return path;
}

describe("a catalog of format 1", () => {
  test("is opened with all it has, and knows the servers of its chunks", async () => {
    const path = await catalogOfFormat(1);
    for (const _ of ["migrated", "opened again"]) {
      const database = CatalogDatabase.open(path, CLUSTER);
      const catalog = new Catalog(database);
      expect(database.meta).toEqual({
        applied: 17,
        objects: 0,
        chunksOpened: 2,
        orphansHeldSince: 0,
        restoredAt: 0,
      });
      const servers = catalog.servers.all().map(({ id, state }) => `${id} ${state}`);
      expect(servers).toEqual(["s1 active", "s2 active", "s3 active", "s4 active"]);
      expect([...catalog.chunks.all()].map(({ handle }) => handle)).toEqual([7, 8]);
      expect(catalog.buckets.get("bucket").owner).toBe("u");
      database.close();
    }
    const sqlite = new Database(path, { readonly: true });
    atEnd(() => sqlite.close());
    expect(sqlite.query("SELECT value FROM meta WHERE name = 'format'").get()).toEqual({ value: 2 });
  });

  test("has the same tables behind the migration as a new catalog", async () => {
    const migrated = CatalogDatabase.open(await catalogOfFormat(1), CLUSTER);
    const made = CatalogDatabase.create(join(await testDirectory(), "catalog.sqlite"), CLUSTER);
    atEnd(() => {
      migrated.close();
      made.close();
    });
    const shapeOf = ({ sqlite }: CatalogDatabase) =>
      sqlite
        .query<{ name: string }, []>("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .all()
        .map(({ name }) => ({ name, columns: sqlite.query(`PRAGMA table_info(${name})`).all() }));
    expect(shapeOf(migrated)).toEqual(shapeOf(made));
  });
});

test("a catalog of a later format is refused, and left as it is", async () => {
  const path = await catalogOfFormat(3);
  expect(() => CatalogDatabase.open(path, CLUSTER)).toThrow(DamagedStoreError);
  const sqlite = new Database(path, { readonly: true });
  atEnd(() => sqlite.close());
  expect(sqlite.query("SELECT value FROM meta WHERE name = 'format'").get()).toEqual({ value: 3 });
});
