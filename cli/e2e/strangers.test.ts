// What a whole cloud lets strangers and ordinary users reach, on real processes: every door that it listens on.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { CreateBucketCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { presign } from "../../apis/storage/s3/auth/sign.ts";
import { PlainS3 } from "./plain-s3.ts";
import { processOf } from "./processes.ts";
import { type Skerry, skerry, startSkerry } from "./skerry.ts";

const BUCKET = "doors";
const CONTENT = "nobody else's business";
const PASSWORD = "an ordinary user's password";
const ROLES = ["edge", "masterd", "postgres", "chunkd-1", "chunkd-2", "chunkd-3"];

let cloud: Skerry;
let member: string;
/** What is printed at the first start, and never again. */
let printedAtStart: string;

beforeAll(async () => {
  cloud = await startSkerry("--access-log", "all");
  printedAtStart = cloud.output();
  const client = cloud.client();
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: "key", Body: CONTENT }));
  const added = await skerry("user", "add", "maria", "--password", PASSWORD, "--data", cloud.directory);
  expect(added.code).toBe(0);
  member = await signedIn("maria", PASSWORD);
}, 180_000);

afterAll(async () => {
  await cloud?.[Symbol.asyncDispose]();
}, 60_000);

const site = (path: string, init: RequestInit = {}) =>
  fetch(`${cloud.credentials.console.url}${path}`, {
    ...init,
    redirect: "manual",
    tls: { rejectUnauthorized: false },
  });

function signIn(user: string, password: string): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return site("/api/auth/session", { method: "POST", headers, body: JSON.stringify({ user, password }) });
}

async function signedIn(user: string, password: string): Promise<string> {
  return ((await (await signIn(user, password)).json()) as { token: string }).token;
}

function secrets(): Record<string, string> {
  const cluster = JSON.parse(readFileSync(join(cloud.directory, "cluster.json"), "utf8")) as {
    clusterSecret: string;
    controlSecret: string;
  };
  const { console: console_, s3 } = cloud.credentials;
  return {
    clusterSecret: cluster.clusterSecret,
    controlSecret: cluster.controlSecret,
    password: console_.password,
    secretAccessKey: s3.secretAccessKey,
    memberPassword: PASSWORD,
    member,
    content: CONTENT,
  };
}

const leaked = (text: string) =>
  Object.entries(secrets()).flatMap(([name, secret]) => (text.includes(secret) ? [name] : []));

/** Where operators, debuggers and other products have their doors. */
const DOORS = [
  ...["/status", "/chunkservers", "/orphans", "/audit/entries", "/events/dead", "/users", "/keys"],
  ...["/admin", "/admin/users", "/metrics", "/metrics/masterd", "/livez", "/debug/pprof/", "/debug/vars"],
  ...["/rpc", "/skerry.master.v1.Master/Status", "/minio/bootstrap/v1/verify", "/minio/admin/v3/info"],
  ...["/rustfs/rpc/read_file_stream", "/.env", "/cluster.json", "/credentials.json", "/first-start.json"],
  ...["/run/admin.sock", "/tls/ca.key", "/api/../status", "/api/auth/../../status", "/..%2fcluster.json"],
];
/** Of real APIs, for administrators and whoever may look. */
const OPERATORS = [
  ...["/api/auth/users", "/api/auth/keys?user=admin", "/api/auth/settings", "/api/auth/roles"],
  ...[
    "/api/auth/openid/providers",
    "/api/auth/sessions?user=admin",
    "/api/audit/entries",
    "/api/audit/export",
  ],
  ...["/api/audit/verify", "/api/events/dead", "/api/events/tail", "/api/storage/status"],
];

test("S10: a stranger finds health, the dashboard and what signs in, and nothing of what is for operators", async () => {
  const page = await (await site("/")).text();
  for (const path of DOORS) {
    for (const authorization of ["", `Bearer ${member}`]) {
      const answer = await site(path, { headers: authorization ? { authorization } : {} });
      const text = await answer.text();
      expect([path, text === page || answer.status === 404, leaked(text)]).toEqual([path, true, []]);
    }
    const s3 = await fetch(`${cloud.credentials.s3.endpoint}${path}`);
    expect([path, s3.status, leaked(await s3.text())]).toEqual([path, 403, []]);
  }
  for (const path of OPERATORS) {
    const stranger = await site(path);
    expect([path, stranger.status, leaked(await stranger.text())]).toEqual([path, 401, []]);
    const user = await site(path, { headers: { authorization: `Bearer ${member}` } });
    expect([path, user.status, leaked(await user.text())]).toEqual([path, 403, []]);
  }
  const health = await site("/healthz");
  expect(await health.json()).toEqual({ status: "ok" });
}, 60_000);

test("S14: no default password or key opens a new cloud", async () => {
  for (const [name, secret] of [
    ["admin", "admin"],
    ["admin", "password"],
    ["admin", "skerry"],
    ["admin", ""],
    ["root", "root"],
    ["minioadmin", "minioadmin"],
    ["rustfsadmin", "rustfsadmin"],
  ] as const) {
    expect([name, (await signIn(name, secret)).status]).toEqual([name, secret === "" ? 400 : 401]);
    const { region, endpoint } = cloud.credentials.s3;
    for (const accessKeyId of [name, cloud.credentials.s3.accessKeyId]) {
      const guess = new PlainS3({ endpoint, region, accessKeyId, secretAccessKey: secret });
      expect([accessKeyId, (await guess.call("GET", "/")).status]).toEqual([accessKeyId, 403]);
    }
  }
}, 60_000);

interface Door {
  role: string;
  address: string;
  port: number;
}

/** What the processes of the cloud listen on, over TCP. */
function doors(): Door[] {
  const listening = new Map<string, { address: string; port: number }>();
  for (const table of ["tcp", "tcp6"]) {
    for (const line of readFileSync(`/proc/net/${table}`, "utf8").split("\n").slice(1)) {
      const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
      const [address = "", port = ""] = local.split(":");
      if (state === "0A") listening.set(inode, { address, port: Number.parseInt(port, 16) });
    }
  }
  return ROLES.flatMap((role) => {
    const descriptors = `/proc/${processOf(cloud, role)}/fd`;
    return readdirSync(descriptors).flatMap((descriptor) => {
      const [, inode = ""] = /^socket:\[(\d+)\]$/.exec(linkOf(join(descriptors, descriptor))) ?? [];
      const door = listening.get(inode);
      return door ? [{ role, ...door }] : [];
    });
  });
}

/** Of a descriptor that may be closed by now. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/** All that comes back for `bytes` until the other side ends, or for 3 s. */
function told(port: number, bytes: Uint8Array | string): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.setTimeout(3_000, () => socket.destroy());
    socket.on("data", (piece) => {
      text += piece.toString("latin1");
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
  });
}

test("S15: every port of every role is on loopback, and those behind the gateway take no word from a stranger", async () => {
  const open = doors();
  expect(new Set(open.map(({ role }) => role)).size).toBeGreaterThanOrEqual(5);
  // 127.0.0.1 as the kernel writes it.
  expect(open.filter(({ address }) => address !== "0100007F")).toEqual([]);
  const before = await cloud.roles();
  const behind = open.filter(({ role }) => role !== "edge");
  const junk = [
    "GET /status HTTP/1.1\r\nHost: x\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    Buffer.alloc(64 << 10, 0xff),
    Buffer.alloc(64 << 10),
  ];
  await Promise.all(
    behind.flatMap(({ role, port }) =>
      junk.map(async (bytes) => expect([role, leaked(await told(port, bytes))]).toEqual([role, []])),
    ),
  );
  const restarts = (roles: typeof before) => roles.map(({ name, pid, restarts }) => [name, pid, restarts]);
  expect(restarts(await cloud.roles())).toEqual(restarts(before));
  const { body } = await new PlainS3(cloud.credentials.s3).call("GET", `/${BUCKET}/key`);
  expect(body.toString()).toBe(CONTENT);
}, 60_000);

test("E14: without TLS no port leads to an API, but S3, which takes neither password nor session", async () => {
  const ports = doors().filter(({ role }) => role === "edge");
  expect(ports.length).toBeGreaterThanOrEqual(4);
  const headers = { authorization: `Bearer ${member}`, "x-forwarded-proto": "https" };
  for (const { port } of ports) {
    for (const path of ["/api/auth/session", "/api/storage/buckets", "/api/auth/.well-known/jwks.json"]) {
      const outcome = await fetch(`http://127.0.0.1:${port}${path}`, { headers, redirect: "manual" }).then(
        ({ status }) => status,
        () => "no HTTP",
      );
      // The redirect to HTTPS, S3's refusals, and the metrics' listener, which has no such page.
      expect([path, [308, 400, 403, 404, "no HTTP"].includes(outcome)]).toEqual([path, true]);
    }
  }
}, 60_000);

test("S21: after all of that no secret is in what the cloud printed, nor on a command line", async () => {
  const { s3 } = cloud.credentials;
  const at = { method: "GET", host: new URL(s3.endpoint).host, rawPath: `/${BUCKET}/key` };
  const link = presign(at, 60, s3, s3.region, Date.now());
  expect((await fetch(`${s3.endpoint}${link}`)).status).toBe(200);
  const otherKey = link.replace("/key?", "/other?");
  expect((await fetch(`${s3.endpoint}${otherKey}`)).status).toBe(403);
  await site(`/api/auth/session?token=${member}`);
  const signature = /X-Amz-Signature=([0-9a-f]+)/.exec(link)![1]!;
  const commands = ROLES.map((role) => readFileSync(`/proc/${processOf(cloud, role)}/cmdline`, "latin1"));
  expect([leaked(commands.join()), commands.join().includes("postgres://")]).toEqual([[], false]);
  expect(await cloud.stop()).toBe(0);
  const printed = cloud.output().slice(printedAtStart.length);
  expect(printed).toContain(`/${BUCKET}/key?`);
  expect([leaked(printed), printed.includes(signature)]).toEqual([[], false]);
}, 60_000);
