// The dashboard's files. They are read once, into a map by path: a request can name what is in the map and nothing else,
// so there is no path to traverse.
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".txt": "text/plain; charset=utf-8",
  ".map": "application/json",
  ".webmanifest": "application/manifest+json",
};
const COMPRESSED = new Set([".html", ".js", ".css", ".json", ".svg", ".txt", ".map", ".webmanifest"]);
/** Below it a packet carries the file either way. */
const COMPRESS_BYTES_MIN = 1024;
/** The bundler puts a hash of the content into these names: a name never means other bytes. */
const HASHED = /[-.][0-9a-z]{8,}\.[a-z0-9]+$/;
/** All of it is held in memory. */
const SITE_BYTES_MAX = 64 << 20;

/** Scripts, styles and connections of this origin alone; never in a frame (clickjacking). */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "img-src 'self' data: blob:",
  "media-src 'self' blob:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join("; ");

interface StaticFile {
  bytes: Uint8Array<ArrayBuffer>;
  gzip?: Uint8Array<ArrayBuffer>;
  headers: Record<string, string>;
  etag: string;
}

export class StaticSite {
  private constructor(private readonly files: ReadonlyMap<string, StaticFile>) {}

  /** Reads all files below `directory`. Rejects with Node's errors, or where there is no index.html. */
  static async load(directory: string): Promise<StaticSite> {
    const files = new Map<string, StaticFile>();
    let size = 0;
    for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      // The builder's own notes are dot files.
      if (!entry.isFile() || path.slice(directory.length).includes("/.")) continue;
      const bytes = new Uint8Array(await readFile(path));
      size += bytes.length;
      if (size > SITE_BYTES_MAX) throw new RangeError(`${directory} holds more than ${SITE_BYTES_MAX} bytes`);
      files.set(path.slice(directory.length).replace(/^\/*/, "/"), staticFile(entry.name, bytes));
    }
    if (!files.has("/index.html"))
      throw new Error(`${directory} has no index.html: it is no built dashboard`);
    return new StaticSite(files);
  }

  /** The file at `path`, or index.html for a page of the dashboard, which is drawn by its script. */
  respond(path: string, request: Request): Response {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return new Response("this page can be read only\n", { status: 405, headers: { allow: "GET, HEAD" } });
    }
    const file = this.files.get(path) ?? (isPage(path, request) ? this.files.get("/index.html") : undefined);
    if (!file) return new Response("there is no such file\n", { status: 404 });
    if (request.headers.get("if-none-match") === file.etag) {
      return new Response(null, { status: 304, headers: file.headers });
    }
    const gzip = file.gzip && /\bgzip\b/.test(request.headers.get("accept-encoding") ?? "");
    const headers = gzip ? { ...file.headers, "content-encoding": "gzip" } : file.headers;
    return new Response(gzip ? file.gzip : file.bytes, { headers });
  }
}

/**
 * Whether a page is asked for: by a browser that opens one, or by a path that names no file. What a page loads stays
 * missing: a page must not take a script's place.
 */
function isPage(path: string, request: Request): boolean {
  return extname(path) === "" || (request.headers.get("accept") ?? "").includes("text/html");
}

function staticFile(name: string, bytes: Uint8Array<ArrayBuffer>): StaticFile {
  const extension = extname(name);
  const etag = `"${Bun.hash(bytes).toString(36)}"`;
  const compress = COMPRESSED.has(extension) && bytes.length >= COMPRESS_BYTES_MIN;
  return {
    bytes,
    gzip: compress ? Bun.gzipSync(bytes, { level: 9 }) : undefined,
    etag,
    headers: {
      "content-type": TYPES[extension] ?? "application/octet-stream",
      "cache-control": HASHED.test(name) ? "public, max-age=31536000, immutable" : "no-cache",
      "content-security-policy": CONTENT_SECURITY_POLICY,
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "referrer-policy": "same-origin",
      "cross-origin-opener-policy": "same-origin",
      vary: "accept-encoding",
      etag,
    },
  };
}
