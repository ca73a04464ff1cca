// S3 without a client's help: one request, one answer, no retry behind the caller's back. What a fault does to a
// request is then seen as it is.
import { signRequest } from "../../apis/storage/s3/auth/sign.ts";
import type { Credentials } from "./skerry.ts";

const REQUEST_MS_MAX = 30_000;

export interface PlainAnswer {
  status: number;
  headers: Headers;
  body: Buffer;
}

export interface PlainRequest {
  query?: string;
  headers?: Record<string, string>;
  body?: Uint8Array;
  timeoutMs?: number;
}

/** The answer was one that was not asked for. */
export class StatusError extends Error {
  override name = "StatusError";
  constructor(
    request: string,
    readonly status: number,
    readonly code: string,
  ) {
    super(`${request}: ${status} ${code}`);
  }
}

export class PlainS3 {
  constructor(private readonly credentials: Credentials["s3"]) {}

  /** The answer as its head arrives. `path` is percent-encoded. Rejects where no head comes in time. */
  send(method: string, path: string, request: PlainRequest = {}): Promise<Response> {
    const { query, headers, body, timeoutMs = REQUEST_MS_MAX } = request;
    return fetch(`${this.credentials.endpoint}${path}${query ? `?${query}` : ""}`, {
      method,
      headers: this.signed(method, path, query, headers),
      body: body as BodyInit | undefined,
      signal: AbortSignal.timeout(timeoutMs),
    });
  }

  /** The whole answer, whatever its status. */
  async call(method: string, path: string, request: PlainRequest = {}): Promise<PlainAnswer> {
    const response = await this.send(method, path, request);
    const body = Buffer.from(await response.arrayBuffer());
    const announced = response.headers.get("content-length");
    if (method !== "HEAD" && announced !== null && Number(announced) !== body.length) {
      throw new Error(`${method} ${path}: ${body.length} of ${announced} bytes came`);
    }
    return { status: response.status, headers: response.headers, body };
  }

  /** The whole answer of status 2xx; throws {@link StatusError} for any other. */
  async expect(method: string, path: string, request: PlainRequest = {}): Promise<PlainAnswer> {
    const answer = await this.call(method, path, request);
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw new StatusError(`${method} ${path}`, answer.status, codeOf(answer));
  }

  put(bucket: string, key: string, body: Uint8Array): Promise<PlainAnswer> {
    return this.expect("PUT", `/${bucket}/${key}`, { body });
  }

  /** The object's bytes; undefined where there is none. */
  async get(bucket: string, key: string): Promise<Buffer | undefined> {
    const path = `/${bucket}/${key}`;
    const answer = await this.call("GET", path);
    if (answer.status === 200) return answer.body;
    if (answer.status === 404 && codeOf(answer) === "NoSuchKey") return undefined;
    throw new StatusError(`GET ${path}`, answer.status, codeOf(answer));
  }

  delete(bucket: string, key: string): Promise<PlainAnswer> {
    return this.expect("DELETE", `/${bucket}/${key}`);
  }

  /** Stores `parts` as one object. */
  async upload(bucket: string, key: string, parts: readonly Uint8Array[]): Promise<void> {
    await this.uploadParts(bucket, key, parts.length, 1, async (index, query) => {
      const { headers } = await this.expect("PUT", `/${bucket}/${key}`, { query, body: parts[index] });
      return headers.get("etag")!;
    });
  }

  /** An upload of `count` parts, `atOnce` at a time; `put` sends one and returns its ETag. */
  async uploadParts(
    bucket: string,
    key: string,
    count: number,
    atOnce: number,
    put: (index: number, query: string) => Promise<string>,
  ): Promise<void> {
    const path = `/${bucket}/${key}`;
    const created = await this.expect("POST", path, { query: "uploads=" });
    const id = /<UploadId>([^<]+)</.exec(created.body.toString())![1]!;
    const etags: string[] = [];
    let next = 0;
    const work = async (): Promise<void> => {
      for (let index = next++; index < count; index = next++) {
        etags[index] = await put(index, `partNumber=${index + 1}&uploadId=${encodeURIComponent(id)}`);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    const done = etags.map((etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
    const body = Buffer.from(`<CompleteMultipartUpload>${done.join("")}</CompleteMultipartUpload>`);
    const query = `uploadId=${encodeURIComponent(id)}`;
    const completed = await this.expect("POST", path, { query, body });
    // S3 may have said 200 before it knew (Amazon S3 API reference, CompleteMultipartUpload).
    if (!completed.body.includes("<CompleteMultipartUploadResult")) {
      throw new StatusError(`POST ${path}`, completed.status, codeOf(completed));
    }
  }

  /** All keys below `prefix`, page by page, in the order of the answers. */
  async list(bucket: string, prefix = "", pageSize = 1000): Promise<string[]> {
    const keys: string[] = [];
    for (let token = "", more = true; more; ) {
      const after = token === "" ? "" : `continuation-token=${encodeURIComponent(token)}&`;
      const query = `${after}list-type=2&max-keys=${pageSize}&prefix=${encodeURIComponent(prefix)}`;
      const page = (await this.expect("GET", `/${bucket}`, { query })).body.toString();
      for (const [, key] of page.matchAll(/<Key>([^<]*)<\/Key>/g)) keys.push(key!);
      more = page.includes("<IsTruncated>true<");
      token = /<NextContinuationToken>([^<]*)</.exec(page)?.[1] ?? "";
    }
    return keys;
  }

  /** What a request of one's own making has to send, `host` among it. */
  signed(
    method: string,
    rawPath: string,
    query?: string,
    headers?: Record<string, string>,
  ): Record<string, string> {
    const { endpoint, region } = this.credentials;
    const request = { method, host: new URL(endpoint).host, rawPath, query, headers };
    return signRequest(request, this.credentials, region, Date.now());
  }
}

function codeOf({ body }: PlainAnswer): string {
  return /<Code>([^<]{1,64})<\/Code>/.exec(body.toString("utf8", 0, 4096))?.[1] ?? "";
}
