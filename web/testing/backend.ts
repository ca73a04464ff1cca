// A small server with the JSON contract of the auth and storage APIs, all in memory, for the dashboard's own tests.
// It can be told to fail, to stall an upload and to end sessions, which a real server would not do on demand.
import { join } from "node:path";
import type { AccessKeySummary, NewAccessKey } from "../app/api/auth.ts";
import type { StorageStatus } from "../app/api/storage.ts";
import { compareKeys } from "../app/format.ts";

interface Stored {
  bytes: Uint8Array<ArrayBuffer>;
  modifiedAt: number;
}

export const USER = { name: "admin", password: "correct horse" };

export class Backend {
  readonly buckets = new Map<string, { createdAt: number; objects: Map<string, Stored> }>();
  readonly keys = new Map<string, number>();
  private readonly sessions = new Set<string>();
  private readonly refreshable = new Set<string>();
  private readonly failures: { match: RegExp; status: number; code: string; message: string }[] = [];
  private readonly gates: { match: RegExp; until: Promise<void> }[] = [];
  private readonly server;

  /** Serves the built dashboard of `directory` and the APIs on a free port of loopback. */
  constructor(private readonly directory: string) {
    this.server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => this.answer(request) });
  }

  get url(): string {
    return `http://127.0.0.1:${this.server.port}`;
  }

  stop(): Promise<void> {
    return this.server.stop(true);
  }

  put(bucket: string, key: string, text = "", modifiedAt = Date.now()): void {
    const entry = this.buckets.get(bucket) ?? { createdAt: modifiedAt, objects: new Map() };
    this.buckets.set(bucket, entry);
    entry.objects.set(key, { bytes: new TextEncoder().encode(text), modifiedAt });
  }

  endSessions(): void {
    this.sessions.clear();
    this.refreshable.clear();
  }

  /** Access cookies are over, while their sessions can be refreshed. */
  expireAccess(): void {
    this.sessions.clear();
  }

  /** The next request whose `METHOD /path` matches is answered with this error. */
  failNext(match: RegExp, status: number, code: string, message: string): void {
    this.failures.push({ match, status, code, message });
  }

  /** Requests that match are answered only after the returned function was called. */
  hold(match: RegExp): () => void {
    const gate = Promise.withResolvers<void>();
    this.gates.push({ match, until: gate.promise });
    return gate.resolve;
  }

  private async answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (!url.pathname.startsWith("/api/")) return this.page(url.pathname);
    const line = `${request.method} ${url.pathname}${url.search}`;
    for (const gate of this.gates) if (gate.match.test(line)) await gate.until;
    const failing = this.failures.findIndex((failure) => failure.match.test(line));
    if (failing >= 0) {
      const [failure] = this.failures.splice(failing, 1);
      await request.arrayBuffer();
      return problem(failure!.status, failure!.code, failure!.message);
    }
    if (url.pathname === "/api/auth/session") return this.session(request);
    if (url.pathname === "/api/auth/session/refresh") return this.refresh(request);
    if (url.pathname === "/api/auth/sign-in-methods") return Response.json({ signUp: false, providers: [] });
    const token = /skerry_session=(\w+)/.exec(request.headers.get("cookie") ?? "")?.[1];
    if (!token || !this.sessions.has(token)) return problem(401, "UNAUTHENTICATED", "Sign in first.");
    if (request.method !== "GET" && request.headers.get("x-skerry-csrf") !== "1") {
      return problem(403, "CSRF", "The header X-Skerry-CSRF is missing.");
    }
    if (url.pathname === "/api/auth/explain") return Response.json({ allowed: true });
    if (url.pathname.startsWith("/api/auth/keys")) return this.accessKeys(request, url);
    if (url.pathname === "/api/storage/status") return Response.json(STATUS);
    return this.storage(request, url);
  }

  private async session(request: Request): Promise<Response> {
    const user = { userId: "u1", name: USER.name, admin: true };
    const token = /skerry_session=(\w+)/.exec(request.headers.get("cookie") ?? "")?.[1];
    if (request.method === "GET") {
      if (!token || !this.sessions.has(token)) return problem(401, "UNAUTHENTICATED", "Sign in first.");
      return Response.json({ user, expiresAt: Date.now() + 3_600_000 });
    }
    if (request.method === "DELETE") {
      this.sessions.delete(token ?? "");
      this.refreshable.delete(token ?? "");
      return new Response(null, { status: 204 });
    }
    const given = (await request.json()) as { user: string; password: string };
    if (given.user !== USER.name || given.password !== USER.password) {
      return problem(401, "WRONG_CREDENTIALS", "The user name or the password is wrong.");
    }
    const fresh = crypto.randomUUID().replaceAll("-", "");
    this.sessions.add(fresh);
    this.refreshable.add(fresh);
    const cookie = `skerry_session=${fresh}; Path=/; HttpOnly; SameSite=Strict`;
    return Response.json(
      { token: fresh, expiresAt: Date.now() + 3_600_000, user },
      { headers: { "Set-Cookie": cookie } },
    );
  }

  /** Revives the same cookie; the real one gets another value. */
  private refresh(request: Request): Response {
    const token = /skerry_session=(\w+)/.exec(request.headers.get("cookie") ?? "")?.[1] ?? "";
    if (!this.refreshable.has(token)) return problem(401, "UNAUTHENTICATED", "Sign in first.");
    this.sessions.add(token);
    return Response.json({ expiresAt: Date.now() + 300_000 });
  }

  private accessKeys(request: Request, url: URL): Response {
    if (request.method === "GET") {
      return Response.json({
        keys: [...this.keys].map(
          ([accessKeyId, createdAt]): AccessKeySummary => ({
            accessKeyId,
            createdAt,
            user: USER.name,
            disabled: false,
          }),
        ),
      });
    }
    if (request.method === "DELETE") {
      this.keys.delete(url.pathname.split("/").at(-1)!);
      return new Response(null, { status: 204 });
    }
    const accessKeyId = `SKTEST${String(this.keys.size).padStart(14, "0")}`;
    this.keys.set(accessKeyId, Date.now());
    const secretAccessKey = "s3cr3t".repeat(7);
    const made: NewAccessKey = {
      accessKeyId,
      createdAt: Date.now(),
      user: USER.name,
      disabled: false,
      secretAccessKey,
    };
    return Response.json(made, { status: 201 });
  }

  private async storage(request: Request, url: URL): Promise<Response> {
    const match = /^\/api\/storage\/buckets(?:\/([^/]+))?(?:\/objects(?:\/(.*))?)?$/.exec(url.pathname);
    if (!match) return problem(404, "NOT_FOUND", "No such address.");
    if (match[1] === undefined) return this.bucketList(request);
    const name = decodeURIComponent(match[1]);
    const bucket = this.buckets.get(name);
    if (!bucket) return problem(404, "NO_SUCH_BUCKET", `There is no bucket named "${name}".`);
    if (url.pathname.endsWith("/objects")) return list(bucket.objects, url.searchParams);
    if (match[2] !== undefined) return object(bucket.objects, decodeURIComponent(match[2]), request);
    if (bucket.objects.size > 0) {
      return problem(409, "BUCKET_NOT_EMPTY", "The bucket still holds objects. Delete them first.");
    }
    this.buckets.delete(name);
    return new Response(null, { status: 204 });
  }

  private async bucketList(request: Request): Promise<Response> {
    if (request.method === "GET") {
      const buckets = [...this.buckets].map(([name, { createdAt }]) => ({ name, createdAt }));
      return Response.json({ buckets: buckets.sort((a, b) => compareKeys(a.name, b.name)) });
    }
    const { name } = (await request.json()) as { name: string };
    if (this.buckets.has(name)) return problem(409, "BUCKET_EXISTS", `The name "${name}" is taken.`);
    const createdAt = Date.now();
    this.buckets.set(name, { createdAt, objects: new Map() });
    return Response.json({ name, createdAt }, { status: 201 });
  }

  private async page(path: string): Promise<Response> {
    const headers = { "Content-Security-Policy": "default-src 'self'", "X-Content-Type-Options": "nosniff" };
    const file = Bun.file(join(this.directory, path));
    const found = path.startsWith("/assets/") && (await file.exists());
    return new Response(found ? file : Bun.file(join(this.directory, "index.html")), { headers });
  }
}

/** No file of the tests is checked by it. */
const ETAG = "d41d8cd98f00b204e9800998ecf8427e";

const STATUS: StorageStatus = {
  clusterId: "0123456789abcdef0123456789abcdef",
  servers: ["1", "2", "3"].map((n) => ({
    id: `${n}f3a9c0d5e7b42186aa0c4de51b7728${n}`,
    address: `127.0.0.1:4010${n}`,
    alive: n !== "3",
    totalBytes: 512 * 2 ** 30,
    freeBytes: (512 - 90 * Number(n)) * 2 ** 30,
    chunks: 1204,
    lastSeenMs: 300,
    state: "active",
    diskFailed: false,
    scrub: null,
    syncs: null,
  })),
  buckets: 4,
  objects: 128_410,
  journal: { sequence: 1, bytes: 1 },
  commits: { batches: 1, commands: 1, bytes: 1 },
  chunks: {
    open: 6,
    sealed: 1810,
    deleting: 0,
    byReplicas: [0, 0, 0, 1810, 0],
    underReplicated: 0,
    underReplicatedBytes: 0,
  },
  repair: { queued: 0, active: 0, copiedBytes: 0, bytesPerSecond: 0, rebalancedBytes: 0, holding: false },
  garbage: {
    storedBytes: 110 * 2 ** 30,
    liveBytes: 100 * 2 ** 30,
    deadBytes: 10 * 2 ** 30,
    compacting: 0,
    compacted: 0,
    compactedBytes: 0,
    spaceIsShort: false,
  },
  orphans: { count: 0, bytes: 0, held: null },
  leases: 6,
};

function problem(status: number, code: string, message: string): Response {
  return Response.json({ error: { code, message } }, { status });
}

function list(objects: Map<string, Stored>, query: URLSearchParams): Response {
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter");
  const after = query.get("after");
  const max = Number(query.get("max") ?? 1000);
  const rows = new Map<string, Stored | undefined>();
  for (const key of [...objects.keys()].sort(compareKeys)) {
    if (!key.startsWith(prefix)) continue;
    const cut = delimiter ? key.indexOf(delimiter, prefix.length) : -1;
    const row = cut < 0 ? key : key.slice(0, cut + 1);
    if (after === null || compareKeys(row, after) > 0) rows.set(row, cut < 0 ? objects.get(key) : undefined);
  }
  const page = [...rows].slice(0, max);
  return Response.json({
    objects: page.flatMap(([key, stored]) =>
      stored ? [{ key, size: stored.bytes.length, etag: ETAG, modifiedAt: stored.modifiedAt }] : [],
    ),
    commonPrefixes: page.flatMap(([key, stored]) => (stored ? [] : [key])),
    next: rows.size > max ? page.at(-1)![0] : undefined,
  });
}

async function object(objects: Map<string, Stored>, key: string, request: Request): Promise<Response> {
  if (request.method === "PUT") {
    const stored = { bytes: new Uint8Array(await request.arrayBuffer()), modifiedAt: Date.now() };
    objects.set(key, stored);
    return Response.json({ key, size: stored.bytes.length, etag: ETAG, modifiedAt: stored.modifiedAt });
  }
  const stored = objects.get(key);
  if (request.method === "DELETE") {
    objects.delete(key);
    return new Response(null, { status: 204 });
  }
  if (!stored) return problem(404, "NO_SUCH_KEY", "There is no such object.");
  return new Response(new Blob([stored.bytes]), { headers: { "Content-Disposition": "attachment" } });
}
