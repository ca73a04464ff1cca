// A whole Skerry on an empty directory, started as a user would start it, for the end-to-end tests.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { S3Client } from "@aws-sdk/client-s3";
import type { Subprocess } from "bun";
import { isFree } from "../up/ports.ts";

export const ROOT = join(import.meta.dir, "../..");
const SHIM = join(ROOT, "skerry");
const READY_TIMEOUT_MS = 120_000;

export interface Credentials {
  console: { url: string; user: string; password: string };
  s3: { endpoint: string; region: string; accessKeyId: string; secretAccessKey: string };
  ssh: { host: string; port: number };
  ca: string;
}

export interface RoleStatus {
  name: string;
  state: string;
  pid: number;
  rssBytes: number;
  restarts: number;
}

export interface Skerry extends AsyncDisposable {
  directory: string;
  credentials: Credentials;
  /** All that it printed, stdout and stderr. */
  output(): string;
  client(): S3Client;
  roles(): Promise<RoleStatus[]>;
  /** Ends the supervisor and all roles at once with SIGKILL, as a power cut would end them. */
  killEverything(): Promise<void>;
  /** Starts again on the same directory and ports. */
  start(): Promise<void>;
  stop(): Promise<number>;
}

/** Below the kernel's ephemeral ports, so that no outgoing connection takes one before the server listens or listens again. */
const PORT_MIN = 10_000;
const PORT_MAX = 19_999;
const PORT_ATTEMPTS_MAX = 50;
const given = new Set<number>();

/** A port of loopback that is free, and that no other call here was given. */
async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < PORT_ATTEMPTS_MAX; attempt++) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN + 1));
    if (given.has(port) || !(await isFree("127.0.0.1", port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`found no free port from ${PORT_MIN} to ${PORT_MAX}`);
}

/** Runs `./skerry ...words` to its end. */
export async function skerry(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = Bun.spawn([SHIM, ...words], { stdout: "pipe", stderr: "pipe", stdin: "ignore" });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

/** The flags of an `up` on free ports of loopback. */
export async function portFlags(): Promise<string[]> {
  const flags: string[] = [];
  for (const name of ["https", "http", "s3", "ssh", "master", "metrics"]) {
    flags.push(`--${name}-port`, String(await freePort()));
  }
  return flags;
}

export async function startSkerry(...more: string[]): Promise<Skerry> {
  const directory = mkdtempSync(join(tmpdir(), "skerry-e2e-"));
  const flags = await portFlags();
  let child: Subprocess<"ignore", "pipe", "pipe"> | undefined;
  let printed = "";

  async function start(): Promise<void> {
    const started = Bun.spawn([SHIM, "up", "--data", directory, ...flags, ...more], {
      stdout: "pipe",
      stderr: "pipe",
      stdin: "ignore",
    });
    child = started;
    const ready = Promise.withResolvers<void>();
    const follow = async (stream: ReadableStream<Uint8Array>) => {
      const decoder = new TextDecoder();
      for await (const bytes of stream) {
        printed += decoder.decode(bytes, { stream: true });
        if (/^ready /m.test(printed.slice(mark))) ready.resolve();
      }
    };
    const mark = printed.length;
    void follow(started.stdout);
    void follow(started.stderr);
    void started.exited.then((code) =>
      ready.reject(new Error(`skerry up ended with ${code}:\n${printed.slice(mark)}`)),
    );
    const timer = setTimeout(
      () => ready.reject(new Error(`not ready in time:\n${printed.slice(mark)}`)),
      READY_TIMEOUT_MS,
    );
    try {
      await ready.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  async function roles(): Promise<RoleStatus[]> {
    const { code, stdout, stderr } = await skerry("status", "--data", directory, "--json");
    if (code !== 0) throw new Error(`status failed: ${stderr}`);
    return (JSON.parse(stdout) as { roles: RoleStatus[] }).roles;
  }

  async function stop(): Promise<number> {
    if (!child) return 0;
    child.kill("SIGTERM");
    const code = await child.exited;
    child = undefined;
    return code;
  }

  await start();
  const credentials = JSON.parse(readFileSync(join(directory, "credentials.json"), "utf8")) as Credentials;
  return {
    directory,
    credentials,
    output: () => printed,
    client: () => s3Client(credentials),
    roles,
    async killEverything() {
      const pids = descendants(child!.pid);
      for (const pid of pids) kill(pid);
      await child!.exited;
      child = undefined;
      await until(() => pids.every((pid) => !alive(pid)));
    },
    start,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** An SDK client at its defaults; path style because a test host has no DNS for buckets. */
export function s3Client(credentials: Credentials): S3Client {
  const { endpoint, region, accessKeyId, secretAccessKey } = credentials.s3;
  return new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
}

/** The process `pid` and all that it started, itself first. */
export function descendants(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  const direct = children === "" ? [] : children.split(" ").map(Number);
  return [pid, ...direct.flatMap(descendants)];
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function alive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

const POLL_MS = 50;

/** Waits until `condition` holds; rejects after `timeoutMs` with what it last threw. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  while (performance.now() < deadline) {
    try {
      if (await condition()) return;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await Bun.sleep(POLL_MS);
  }
  throw new Error(`the condition did not come true within ${timeoutMs} ms`, { cause: last });
}
