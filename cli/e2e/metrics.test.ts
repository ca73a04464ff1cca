// The metrics of a whole cloud, on real processes, through the one door that a scraper is given.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { type Family, parseExposition, sampleValue } from "../../std/testing/exposition.ts";
import { bytesOf } from "./content.ts";
import { ROOT, type Skerry, skerry, startSkerry, until } from "./skerry.ts";

const BUCKET = "metrics";
const LARGE = 9_000_000;

let cloud: Skerry;
let client: S3Client;
/** Where the index is, with its slash. */
let index: string;

beforeAll(async () => {
  cloud = await startSkerry();
  client = cloud.client();
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  const { stdout } = await skerry("status", "--data", cloud.directory, "--json");
  index = (JSON.parse(stdout) as { urls: { metrics: string } }).urls.metrics;
}, 180_000);

afterAll(async () => {
  await cloud?.[Symbol.asyncDispose]();
}, 60_000);

async function scrape(path: string): Promise<Map<string, Family>> {
  const answer = await fetch(new URL(path, index));
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  return parseExposition(await answer.text());
}

async function value(path: string, name: string, labels: Record<string, string> = {}): Promise<number> {
  return sampleValue(await scrape(path), name, labels) ?? 0;
}

async function pidOf(name: string): Promise<number> {
  return (await cloud.roles()).find((role) => role.name === name)!.pid;
}

test("the index lists every role, and each tells metrics that a strict reader takes", async () => {
  expect(cloud.output()).toContain(`metrics at ${index}`);
  const paths = (await (await fetch(index)).text()).trim().split("\n");
  expect(paths).toEqual([
    "/metrics",
    ...["chunkd-1", "chunkd-2", "chunkd-3", "masterd"].map((role) => `/metrics/${role}`),
  ]);
  for (const path of paths) {
    const families = await scrape(path);
    const role = path === "/metrics" ? "edge" : path.slice("/metrics/".length).replace(/-\d+$/, "");
    expect(sampleValue(families, "skerry_build_info", { role })).toBe(1);
    expect(sampleValue(families, "process_resident_memory_bytes")).toBeGreaterThan(10e6);
    expect(sampleValue(families, "process_open_fds")).toBeGreaterThan(5);
  }
  expect((await fetch(new URL("/metrics/postgres", index))).status).toBe(404);
  expect((await fetch(new URL("/metrics/..%2fadmin", index))).status).toBe(404);
  expect((await fetch(new URL("/metrics", index), { method: "POST" })).status).toBe(405);
  expect((await fetch(new URL("/healthz", index))).status).toBe(200);
});

test("docs/metrics.md has each metric that there is, with its type, and no other", async () => {
  const documented = new Map<string, string>();
  for (const line of readFileSync(join(ROOT, "docs/metrics.md"), "utf8").split("\n")) {
    const [, names, type] = /^\| (`(?:skerry|process)_.*`) \| (counter|gauge|histogram) \|/.exec(line) ?? [];
    for (const [, name] of names?.matchAll(/`(\w+)(?:\{[\w,]+\})?`/g) ?? []) documented.set(name!, type!);
  }
  const told = new Map<string, string>();
  for (const path of ["/metrics", "/metrics/chunkd-1", "/metrics/masterd"]) {
    for (const { name, type } of (await scrape(path)).values()) told.set(name, type);
  }
  expect([...told].sort()).toEqual([...documented].sort());
});

test("S10: they are on loopback alone, on no public port, and the sockets are their owner's", async () => {
  const { port } = new URL(index);
  const outside = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, family }) => !internal && family === "IPv4");
  for (const { address } of outside) {
    const answered = await fetch(`http://${address}:${port}/metrics`, {
      signal: AbortSignal.timeout(2_000),
    }).then(
      () => true,
      () => false,
    );
    expect(answered).toBe(false);
  }
  const { console: console_, s3 } = cloud.credentials;
  const site = await fetch(`${console_.url}/metrics`, { tls: { rejectUnauthorized: false } });
  expect(await site.text()).not.toContain("skerry_");
  expect(await (await fetch(`${s3.endpoint}/metrics`)).text()).not.toContain("skerry_");
  const run = join(cloud.directory, "run");
  const sockets = readdirSync(run).filter((name) => statSync(join(run, name)).isSocket());
  expect(sockets).toEqual(expect.arrayContaining(["admin.sock", "chunkd-1.prom", "masterd.prom"]));
  for (const name of sockets) expect([name, statSync(join(run, name)).mode & 0o777]).toEqual([name, 0o600]);
});

test("a PUT and a GET move the counters of every role that they pass", async () => {
  const operations = (name: string, status: string) =>
    value("/metrics", "skerry_s3_requests_total", { operation: name, status });
  const commits = () => value("/metrics/masterd", "skerry_masterd_commands_total");
  const before = {
    commits: await commits(),
    received: await value("/metrics", "skerry_s3_received_bytes_total"),
    sent: await value("/metrics", "skerry_s3_sent_bytes_total"),
  };
  const Body = bytesOf(1, LARGE);
  await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: "large", Body }));
  const { Body: body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key: "large" }));
  expect((await body!.transformToByteArray()).length).toBe(LARGE);
  const missing = client.send(new HeadObjectCommand({ Bucket: BUCKET, Key: "missing" }));
  expect(await missing.catch((error: Error) => error.name)).toBe("NotFound");

  expect(await operations("PutObject", "200")).toBe(1);
  expect(await operations("GetObject", "200")).toBe(1);
  expect(await operations("HeadObject", "404")).toBe(1);
  expect(await value("/metrics", "skerry_s3_request_seconds_count", { operation: "PutObject" })).toBe(1);
  expect((await value("/metrics", "skerry_s3_received_bytes_total")) - before.received).toBe(LARGE);
  expect((await value("/metrics", "skerry_s3_sent_bytes_total")) - before.sent).toBeGreaterThanOrEqual(LARGE);
  expect(
    await value("/metrics", "skerry_edge_requests_total", { listener: "s3", status: "200" }),
  ).toBeGreaterThan(1);
  expect(await value("/metrics", "skerry_reads_total")).toBeGreaterThan(0);
  expect(await commits()).toBeGreaterThan(before.commits);
  expect(await value("/metrics/masterd", "skerry_masterd_objects")).toBe(1);
  expect(await value("/metrics/masterd", "skerry_masterd_journal_sync_seconds_count")).toBeGreaterThan(0);
  let written = 0;
  for (const role of ["chunkd-1", "chunkd-2", "chunkd-3"]) {
    const path = `/metrics/${role}`;
    written += await value(path, "skerry_chunkd_disk_written_bytes_total");
    expect(await value(path, "skerry_chunkd_sync_seconds_count")).toBeGreaterThan(0);
    expect(await value(path, "skerry_chunkd_disk_free_bytes")).toBeGreaterThan(0);
    expect(await value(path, "skerry_chunkd_master_connected")).toBe(1);
  }
  expect(written).toBeGreaterThan(2 * LARGE);
}, 60_000);

test("a chunkserver that is gone shows as under-replication, and as none when it is back", async () => {
  const lacking = () => value("/metrics/masterd", "skerry_masterd_under_replicated_bytes");
  const whole = () => value("/metrics/masterd", "skerry_masterd_chunks_by_replicas", { replicas: "3" });
  // A master that starts anew seals what was open.
  process.kill(await pidOf("masterd"), "SIGKILL");
  await until(async () => (await whole()) > 0 && (await lacking()) === 0);
  // Stopped, since one that is killed is back before anybody looks.
  const pid = await pidOf("chunkd-2");
  process.kill(pid, "SIGSTOP");
  try {
    await until(async () => (await lacking()) >= LARGE);
    expect(
      await value("/metrics/masterd", "skerry_masterd_chunks_by_replicas", { replicas: "2" }),
    ).toBeGreaterThan(0);
    const away = await fetch(new URL("/metrics/chunkd-2", index));
    expect(away.status).toBe(502);
    expect(await away.text()).toContain("chunkd-2 does not tell its metrics");
  } finally {
    process.kill(pid, "SIGCONT");
  }
  await until(async () => (await lacking()) === 0);

  process.kill(pid, "SIGKILL");
  await until(async () => (await pidOf("chunkd-2")) !== pid);
  await until(async () => (await lacking()) === 0 && (await whole()) > 0);
  await until(async () => (await value("/metrics/chunkd-2", "skerry_chunkd_chunks")) > 0);
}, 120_000);

test("a restarted gateway tells its metrics at the same place", async () => {
  const pid = await pidOf("edge");
  process.kill(pid, "SIGKILL");
  await until(async () => (await pidOf("edge")) !== pid);
  await until(async () => (await value("/metrics", "process_start_time_seconds")) > 0);
}, 60_000);
