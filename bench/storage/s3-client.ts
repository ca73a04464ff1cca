import { createHash } from "node:crypto";
import { type Credentials, signRequest } from "../../apis/storage/s3/auth/sign.ts";
import { ConnectionError, type Endpoint, HttpConnection } from "./http/connection.ts";

export type PayloadMode = "unsigned" | "signed";

export interface S3Target {
  endpoint: Endpoint;
  region: string;
  credentials: Credentials;
  payload: PayloadMode;
}

/** An answer that is no success; `code` is S3's, or the status where the body names none. */
export class S3RequestError extends Error {
  override name = "S3RequestError";
  constructor(
    readonly status: number,
    readonly code: string,
    request: string,
  ) {
    super(`${request}: ${status} ${code}`);
  }
}

/** An error document is far shorter. */
const ERROR_BODY_SIZE_MAX = 16 << 10;
/** A page of 1000 keys of 1 KiB with their fields. */
const LIST_BODY_SIZE_MAX = 8 << 20;

/** Counting these is as much reading of the answer as the client can afford beside a fast server. */
const KEY_ELEMENT = Buffer.from("<Key>");

const ignore = (): void => {};

/** The S3 operations of the load test, path style, one at a time on one connection. */
export class S3Client {
  private readonly connection: HttpConnection;
  private readonly host: string;

  constructor(private readonly target: S3Target) {
    this.connection = new HttpConnection(target.endpoint);
    const { hostname, port, tls } = target.endpoint;
    this.host = port === (tls ? 443 : 80) ? hostname : `${hostname}:${port}`;
  }

  /** `body` in parts, sent as they are: they may be shared between clients. */
  async put(bucket: string, key: string, body: readonly Uint8Array[]): Promise<void> {
    await this.call("PUT", `/${bucket}/${key}`, { body });
  }

  /** Resolves to the number of bytes in the body, each piece of which was given to `onBody`. */
  async get(bucket: string, key: string, onBody: (bytes: Uint8Array) => void = ignore): Promise<number> {
    let size = 0;
    await this.call("GET", `/${bucket}/${key}`, {
      onBody(bytes) {
        size += bytes.length;
        onBody(bytes);
      },
    });
    return size;
  }

  async delete(bucket: string, key: string): Promise<void> {
    await this.call("DELETE", `/${bucket}/${key}`);
  }

  /** One ListObjectsV2 page; resolves to the number of keys in it. */
  async list(bucket: string, prefix: string, maxKeys: number): Promise<number> {
    const pieces: Uint8Array[] = [];
    await this.call("GET", `/${bucket}`, {
      query: `list-type=2&max-keys=${maxKeys}&prefix=${encodeURIComponent(prefix)}`,
      onBody: gather(pieces, LIST_BODY_SIZE_MAX),
    });
    return occurrences(Buffer.concat(pieces), KEY_ELEMENT);
  }

  async createBucket(bucket: string): Promise<void> {
    await this.call("PUT", `/${bucket}`);
  }

  async deleteBucket(bucket: string): Promise<void> {
    await this.call("DELETE", `/${bucket}`);
  }

  close(): void {
    this.connection.close();
  }

  private async call(
    method: string,
    rawPath: string,
    options: { query?: string; body?: readonly Uint8Array[]; onBody?: (bytes: Uint8Array) => void } = {},
  ): Promise<void> {
    const { query, body = [] } = options;
    const size = body.reduce((sum, part) => sum + part.length, 0);
    const sent = method === "PUT" ? { "content-length": String(size) } : undefined;
    const payloadHash = this.target.payload === "signed" ? sha256(body) : undefined;
    const signed = signRequest(
      { method, host: this.host, rawPath, query, headers: sent, payloadHash },
      this.target.credentials,
      this.target.region,
      Date.now(),
    );
    let head = `${method} ${rawPath}${query ? `?${query}` : ""} HTTP/1.1\r\n`;
    for (const name in signed) head += `${name}: ${signed[name]}\r\n`;
    const failure: Uint8Array[] = [];
    const gatherFailure = gather(failure, ERROR_BODY_SIZE_MAX);
    const { onBody = ignore } = options;
    const { status } = await this.connection.exchange(`${head}\r\n`, body, (bytes, head) =>
      head.status < 300 ? onBody(bytes) : gatherFailure(bytes),
    );
    if (status < 300) return;
    const code = /<Code>([^<]{1,64})<\/Code>/.exec(Buffer.concat(failure).toString())?.[1];
    throw new S3RequestError(status, code ?? `HTTP_${status}`, `${method} ${rawPath}`);
  }
}

function occurrences(bytes: Buffer, pattern: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(pattern); at >= 0; at = bytes.indexOf(pattern, at + pattern.length)) count++;
  return count;
}

/** Copies pieces into `pieces` until they are `sizeMax` bytes; the rest is dropped. */
function gather(pieces: Uint8Array[], sizeMax: number): (bytes: Uint8Array) => void {
  let size = 0;
  return (bytes) => {
    if (size >= sizeMax) return;
    size += bytes.length;
    pieces.push(Uint8Array.from(bytes));
  };
}

function sha256(body: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of body) hash.update(part);
  return hash.digest("hex");
}

/** How an error is counted: S3's code, the connection's, or the name of what else it is. */
export function codeOf(error: unknown): string {
  if (error instanceof S3RequestError || error instanceof ConnectionError) return error.code;
  return error instanceof Error ? error.name : String(error);
}
