// The catalog's tables. Keys are UTF-8 blobs, so that SQLite's order is the order S3 lists in. In `objects` what a
// listing reads stands in front of what may be large: SQLite then never touches a large row's overflow pages.

export const CATALOG_FORMAT = 2;

/** Every chunkserver that ever registered or was given a chunk, and what the operator wants of it. */
export const SERVERS_TABLE = `
CREATE TABLE servers (
  id         TEXT PRIMARY KEY,
  state      TEXT NOT NULL CHECK (state IN ('active', 'draining', 'drained', 'removed')),
  changed_at INTEGER NOT NULL  -- when it came into this state
) STRICT, WITHOUT ROWID;
`;

export const SCHEMA = `
CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value ANY
) STRICT, WITHOUT ROWID;

CREATE TABLE buckets (
  id         INTEGER PRIMARY KEY,
  name       TEXT NOT NULL UNIQUE,
  owner      TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE objects (
  bucket      INTEGER NOT NULL,
  key         BLOB NOT NULL,
  size        INTEGER NOT NULL,
  etag        TEXT NOT NULL,
  modified_at INTEGER NOT NULL,
  algorithms  TEXT,            -- names of the checksums in attributes, comma-separated
  attributes  BLOB NOT NULL,   -- msgpack
  parts       BLOB,            -- msgpack list of sizes, of a multipart object
  extents     BLOB NOT NULL,   -- msgpack list: handle, offset, length, checksum, handle, ...
  PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE uploads (
  bucket       INTEGER NOT NULL,
  key          BLOB NOT NULL,
  id           TEXT NOT NULL,
  initiated_at INTEGER NOT NULL,
  details      BLOB NOT NULL,  -- msgpack: owner, attributes, checksumAlgorithm, checksumType
  PRIMARY KEY (bucket, key, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX uploads_id ON uploads (id);

CREATE TABLE parts (
  upload      TEXT NOT NULL,
  number      INTEGER NOT NULL,
  size        INTEGER NOT NULL,
  etag        TEXT NOT NULL,
  modified_at INTEGER NOT NULL,
  checksums   BLOB NOT NULL,
  extents     BLOB NOT NULL,
  PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE completions (
  upload   TEXT PRIMARY KEY,
  at       INTEGER NOT NULL,
  request  TEXT NOT NULL,      -- bucket, key and parts, hashed
  response BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX completions_at ON completions (at);

CREATE TABLE chunks (
  handle     INTEGER PRIMARY KEY,
  version    INTEGER NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('open', 'sealed', 'deleting')),
  length     INTEGER NOT NULL, -- 0 while open
  live       INTEGER NOT NULL CHECK (live >= 0),
  committed  INTEGER NOT NULL, -- offset behind the last extent that was ever committed
  members    TEXT NOT NULL,    -- chunkserver ids, primary first, as JSON
  changed_at INTEGER NOT NULL  -- when it came into this state
) STRICT;
CREATE INDEX chunks_dead ON chunks (changed_at) WHERE live = 0 AND state = 'sealed';
${SERVERS_TABLE}`;
