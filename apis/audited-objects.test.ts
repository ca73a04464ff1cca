// What S3 does to single objects is in the audit log: by the AWS SDK, on a real master, chunkservers and PostgreSQL.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { RemoteError } from "../chunkd/protocol/errors.ts";
import { systemClock } from "../std/clock.ts";
import { silentLog } from "../std/log.ts";
import { systemRandom } from "../std/random.ts";
import { type AuditService, createAudit } from "./audit/service.ts";
import { eventually } from "./audit/test-audit.ts";
import type { AccessKey } from "./auth/identity.ts";
import type { AuthService } from "./auth/service.ts";
import { AuthBench, PASSWORD } from "./auth/test-auth.ts";
import type { ObjectStore } from "./storage/objects.ts";
import { createS3 } from "./storage/s3/handler.ts";
import { listenS3, type S3Listener } from "./storage/s3/node-http.ts";
import { StorageCluster } from "./storage/testing/cluster.ts";
import { REGION } from "./storage/testing/s3-double.ts";

setDefaultTimeout(60_000);

const Bucket = "audited";
const ARN = `arn:aws:s3:::${Bucket}`;

let bench: AuthBench;
let auth: AuthService;
let cluster: StorageCluster;
const audits: AuditService[] = [];
const listeners: S3Listener[] = [];
const clients: S3Client[] = [];
let audit: AuditService;
let alice: S3Client;

beforeAll(async () => {
  bench = await AuthBench.start();
  ({ auth } = await bench.open());
  cluster = await StorageCluster.start();
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
  for (const name of ["alice", "bob"]) await auth.createUser({ name, password: PASSWORD });
  audit = await openAudit(true);
  alice = await clientOf(await auth.createKey("alice"), audit);
  await alice.send(new CreateBucketCommand({ Bucket }));
});

afterAll(async () => {
  for (const client of clients) client.destroy();
  for (const listener of listeners) await listener.close(0);
  for (const each of audits) await each.close();
  await cluster.stop();
  await bench.stop();
});

async function openAudit(objects: boolean): Promise<AuditService> {
  const sql = await bench.connect(`audit${audits.length}`);
  const opened = await createAudit({
    sql,
    clusterSecret: "a secret",
    objects,
    clock: systemClock,
    log: silentLog,
  });
  audits.push(opened);
  return opened;
}

/** An SDK client with this key, of an S3 that records in `into`. */
async function clientOf(
  key: Omit<AccessKey, "principal">,
  into: AuditService,
  store: ObjectStore = cluster.store,
): Promise<S3Client> {
  const parts = { clock: systemClock, log: silentLog, region: REGION, store };
  const handler = createS3({ ...parts, keyring: auth, access: auth.access, audit: into });
  const listener = await listenS3(handler, {
    ...parts,
    random: systemRandom,
    hostname: "127.0.0.1",
    port: 0,
  });
  listeners.push(listener);
  const endpoint = `http://127.0.0.1:${listener.port}`;
  const client = new S3Client({
    endpoint,
    region: REGION,
    forcePathStyle: true,
    credentials: key,
    maxAttempts: 1,
  });
  clients.push(client);
  return client;
}

/** The entries about the objects that begin with `prefix`, oldest first, once there are `count`. */
async function told(prefix: string, count: number, from = audit): Promise<string[]> {
  const entries = await eventually(async () => {
    const page = await from.entries({ resource: `${ARN}/${prefix}` }, { after: 0, limit: 1_000 });
    return page.entries.length >= count && page.entries;
  });
  return entries.map(({ outcome, actor, action, resource, code, details, source }) => {
    expect(source).toBe("127.0.0.1");
    const operation = (details as { operation?: string }).operation ?? "";
    return [outcome, actor.name, action, resource.slice(ARN.length + 1), code, operation]
      .filter((part) => part !== "")
      .join(" ");
  });
}

test("each write, copy and deletion, by its key, with the key that was used and the request", async () => {
  const put = await alice.send(new PutObjectCommand({ Bucket, Key: "one/a key", Body: "x" }));
  await alice.send(new GetObjectCommand({ Bucket, Key: "one/a key" }));
  await alice.send(new CopyObjectCommand({ Bucket, Key: "one/b", CopySource: `${Bucket}/one/a%20key` }));
  await alice.send(new DeleteObjectCommand({ Bucket, Key: "one/a key" }));
  expect(await told("one/", 3)).toEqual([
    "allowed alice s3:PutObject one/a key",
    "allowed alice s3:PutObject one/b CopyObject",
    "allowed alice s3:DeleteObject one/a key",
  ]);
  const [first] = (await audit.entries({ requestId: put.$metadata.requestId }, { limit: 2 })).entries;
  expect(first).toMatchObject({ action: "s3:PutObject", resource: `${ARN}/one/a key` });
  expect(first!.actor.credential).toStartWith("key:SK");
});

test("an upload when it becomes an object, or is given up; not its parts", async () => {
  for (const Key of ["upload/done", "upload/given-up"]) {
    const { UploadId } = await alice.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    const part = { Bucket, Key, UploadId, PartNumber: 1 };
    const { ETag } = await alice.send(new UploadPartCommand({ ...part, Body: "part" }));
    const parts = { Parts: [{ ETag, PartNumber: 1 }] };
    if (Key === "upload/done") {
      await alice.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: parts }));
    } else await alice.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
  }
  expect(await told("upload/", 2)).toEqual([
    "allowed alice s3:PutObject upload/done CompleteMultipartUpload",
    "allowed alice s3:AbortMultipartUpload upload/given-up",
  ]);
});

test("each key of a DeleteObjects: what was deleted, what was refused, and not what stayed", async () => {
  await auth.roles.create("cleaner", {
    Version: "2012-10-17",
    Statement: { Effect: "Allow", Action: "s3:DeleteObject", Resource: `${ARN}/many/public/*` },
  });
  await auth.attachments.attach({ kind: "user", name: "bob" }, "cleaner");
  const bob = await clientOf(await auth.createKey("bob"), audit);
  await alice.send(new PutObjectCommand({ Bucket, Key: "many/public/kept", Body: "x" }));
  const objects = [
    { Key: "many/private/a" },
    { Key: "many/public/a" },
    { Key: "many/public/b" },
    { Key: "many/public/kept", ETag: '"another"' },
  ];
  const answer = await bob.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: objects } }));
  expect(answer.Errors?.map(({ Key, Code }) => `${Key} ${Code}`)).toEqual([
    "many/private/a AccessDenied",
    "many/public/kept PreconditionFailed",
  ]);
  expect((await told("many/", 4)).toSorted()).toEqual([
    "allowed alice s3:PutObject many/public/kept",
    "allowed bob s3:DeleteObject many/public/a DeleteObjects",
    "allowed bob s3:DeleteObject many/public/b DeleteObjects",
    "refused bob s3:DeleteObject many/private/a AccessDenied DeleteObjects",
  ]);
});

test("a write whose outcome nobody knows is told as failed; one that was not made is not told", async () => {
  const cut = Object.create(cluster.store) as ObjectStore;
  cut.put = async (...args) => {
    await cluster.store.put(...args);
    throw new RemoteError("DISCONNECTED", "the answer was lost");
  };
  const unlucky = await clientOf(await auth.createKey("alice"), audit, cut);
  const lost = unlucky.send(new PutObjectCommand({ Bucket, Key: "lost/a", Body: "x" }));
  await expect(lost).rejects.toMatchObject({ name: "ServiceUnavailable" });
  const unmet = alice.send(new PutObjectCommand({ Bucket, Key: "lost/b", Body: "x", IfMatch: '"none"' }));
  await expect(unmet).rejects.toMatchObject({ name: "NoSuchKey" });
  await alice.send(new PutObjectCommand({ Bucket, Key: "lost/c", Body: "x" }));
  expect((await told("lost/", 2)).toSorted()).toEqual([
    "allowed alice s3:PutObject lost/c",
    "failed alice s3:PutObject lost/a ServiceUnavailable",
  ]);
});

test("a thousand writes at a time are each an entry of a chain that is sound", async () => {
  const keys = Array.from({ length: 1_000 }, (_, n) => `flood/${String(n).padStart(4, "0")}`);
  await alice.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } }));
  expect(await told("flood/", 1_000)).toEqual(
    keys.map((key) => `allowed alice s3:DeleteObject ${key} DeleteObjects`),
  );
  expect((await audit.verify()).sound).toBe(true);
});

test("where objects are not recorded, refusals and buckets still are", async () => {
  const quiet = await openAudit(false);
  const client = await clientOf(await auth.createKey("bob"), quiet);
  const own = { Bucket: "of-bob", Key: "quiet/a" };
  await client.send(new CreateBucketCommand({ Bucket: own.Bucket }));
  await client.send(new PutObjectCommand({ ...own, Body: "x" }));
  const refused = client.send(new PutObjectCommand({ Bucket, Key: "quiet/b", Body: "x" }));
  await expect(refused).rejects.toMatchObject({ name: "AccessDenied" });
  expect(await told("quiet/", 1, quiet)).toEqual(["refused bob s3:PutObject quiet/b AccessDenied"]);
  await quiet.close();
  const { entries } = await quiet.entries({}, { limit: 10 });
  expect(entries.map(({ action, outcome }) => `${outcome} ${action}`)).toEqual([
    "refused s3:PutObject",
    "allowed s3:CreateBucket",
  ]);
});
