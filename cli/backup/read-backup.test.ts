// What a restore takes for a backup. Everything here is refused, or read, before anything is made.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BackupInfo, backupPieces, writeBackup } from "../../masterd/store/backup-file.ts";
import { systemDisk } from "../../std/disk.ts";
import { ContainerWriter } from "./container-writer.ts";
import { readCloudBackup } from "./read-backup.ts";
import { SECRETS_SIZE_MAX } from "./secrets.ts";
import { SERVICES } from "./services.ts";

const CLUSTER = "0123456789abcdef0123456789abcdef";
const CATALOG = Buffer.from("a catalog");
const info = (clusterId = CLUSTER): BackupInfo => ({
  clusterId,
  sequence: 7,
  takenAt: 1_800_000_000_000,
  size: CATALOG.length,
  objects: 1,
  buckets: 1,
  chunks: 1,
});
const source = (clusterId?: string) => ({ info: info(clusterId), read: async () => CATALOG });

let directory: string;
let files = 0;
const newPath = () => join(directory, `${++files}`);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "skerry-read-backup-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

type Sections = Record<string, [version: number, body: AsyncIterable<Uint8Array>]>;

async function* text(content: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(content);
}

/** A sound backup but for `changes`; undefined leaves a section out. */
async function written(
  changes: Record<string, Sections[string] | undefined> = {},
  clusterId = CLUSTER,
): Promise<string> {
  const sections: Record<string, Sections[string] | undefined> = {
    storage: [1, backupPieces(source())],
    secrets: [1, text(JSON.stringify({ "cluster.json": "{}" }))],
    ...Object.fromEntries(SERVICES.map(({ name }) => [`database/${name}`, [1, text("")]])),
    ...changes,
  };
  const path = newPath();
  const writer = await ContainerWriter.create(systemDisk, path);
  for (const [name, section] of Object.entries(sections)) {
    if (section) await writer.section(name, ...section);
  }
  await writer.finish({ clusterId, takenAt: 0 });
  await writer.close();
  return path;
}

const read = async (...how: Parameters<typeof written>) => readCloudBackup(systemDisk, await written(...how));

test("a backup tells what it holds", async () => {
  const { cloud, ...storage } = await read();
  expect(storage.info).toEqual(info());
  expect(cloud!.secrets).toEqual({ "cluster.json": "{}" });
  expect(cloud!.databases.map(({ service }) => service.name)).toEqual(["auth", "events", "audit"]);
});

test("the events may be missing, since NATS may carry them; users and the audit log may not", async () => {
  const { cloud } = await read({ "database/events": undefined });
  expect(cloud!.databases.map(({ service }) => service.name)).toEqual(["auth", "audit"]);
  for (const name of ["storage", "secrets", "database/auth", "database/audit"]) {
    await expect(read({ [name]: undefined })).rejects.toThrow(`it has no section ${name}`);
  }
});

test("what a newer version made is refused as such", async () => {
  const { length } = SERVICES[0]!.migrations;
  const newer: Parameters<typeof written>[0][] = [
    { "database/compute": [1, text("")] },
    { "database/auth": [length + 1, text("")] },
    { storage: [2, backupPieces(source())] },
    { secrets: [2, text("{}")] },
  ];
  for (const changes of newer) {
    await expect(read(changes)).rejects.toMatchObject({
      code: "BAD_BACKUP",
      message: expect.stringContaining("a newer version of skerry made it"),
    });
  }
});

test("parts of different clusters are refused", async () => {
  await expect(read({}, "f".repeat(32))).rejects.toThrow("different clusters");
});

test("secrets go to no place of their own choosing, and are no load", async () => {
  const names = [
    "../cluster.json",
    "/etc/passwd",
    "tls/..",
    "tls/../cluster.json",
    "tls/a/b",
    "auth/kek2",
    "",
  ];
  for (const name of names) {
    const secrets: Sections[string] = [1, text(JSON.stringify({ [name]: "x" }))];
    await expect(read({ secrets })).rejects.toThrow("its secrets are not understood");
  }
  await expect(read({ secrets: [1, text("[]")] })).rejects.toThrow("its secrets are not understood");
  await expect(read({ secrets: [1, text("x".repeat(SECRETS_SIZE_MAX + 1))] })).rejects.toThrow(
    "is too large",
  );
});

test("the storage's metadata alone, as earlier versions wrote it, is read as such", async () => {
  const path = newPath();
  await writeBackup(systemDisk, path, source());
  expect(await readCloudBackup(systemDisk, path)).toEqual({ info: info(), storage: path });
});

test("other files are no backups", async () => {
  for (const content of ["", "SKC", "PGDMP and so on", "SKBK", "x".repeat(1 << 20)]) {
    const path = newPath();
    await Bun.write(path, content);
    await expect(readCloudBackup(systemDisk, path)).rejects.toMatchObject({ code: "BAD_BACKUP" });
  }
});
