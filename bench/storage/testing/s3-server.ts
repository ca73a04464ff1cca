// The few S3 operations that the load test uses, in memory, for its own tests.

export class MemoryS3 {
  readonly buckets = new Map<string, Map<string, Uint8Array<ArrayBuffer>>>();
  /** Requests seen, as `METHOD /path`. */
  readonly requests: string[] = [];
  /** When set: what a GET of an object answers instead of the object's bytes. */
  corrupt: ((bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>) | undefined;
  private readonly server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => this.answer(request),
  });

  get url(): string {
    return `http://127.0.0.1:${this.server.port}`;
  }

  stop(): Promise<void> {
    return this.server.stop(true);
  }

  private async answer(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    this.requests.push(`${request.method} ${pathname}`);
    const [, bucket = "", ...rest] = pathname.split("/");
    const key = rest.join("/");
    if (!request.headers.get("authorization")?.startsWith("AWS4-HMAC-SHA256 Credential=key/")) {
      return problem(403, "AccessDenied");
    }
    if (key === "") return this.onBucket(request.method, bucket, searchParams);
    const objects = this.buckets.get(bucket);
    if (!objects) return problem(404, "NoSuchBucket");
    return this.onObject(request, objects, key);
  }

  private onBucket(method: string, bucket: string, query: URLSearchParams): Response {
    if (method === "PUT") this.buckets.set(bucket, new Map());
    const objects = this.buckets.get(bucket);
    if (!objects) return problem(404, "NoSuchBucket");
    if (method === "DELETE") {
      if (objects.size > 0) return problem(409, "BucketNotEmpty");
      this.buckets.delete(bucket);
      return new Response(null, { status: 204 });
    }
    const keys = [...objects.keys()].filter((key) => key.startsWith(query.get("prefix") ?? ""));
    const page = keys.slice(0, Number(query.get("max-keys")));
    return new Response(
      `<ListBucketResult>${page.map((key) => `<Key>${key}</Key>`).join("")}</ListBucketResult>`,
    );
  }

  private async onObject(
    request: Request,
    objects: Map<string, Uint8Array<ArrayBuffer>>,
    key: string,
  ): Promise<Response> {
    if (request.method === "PUT") {
      objects.set(key, new Uint8Array(await request.arrayBuffer()));
      return new Response(null);
    }
    if (request.method === "DELETE") {
      objects.delete(key);
      return new Response(null, { status: 204 });
    }
    const bytes = objects.get(key);
    if (!bytes) return problem(404, "NoSuchKey");
    return new Response(this.corrupt ? this.corrupt(bytes) : bytes);
  }
}

function problem(status: number, code: string): Response {
  return new Response(`<Error><Code>${code}</Code></Error>`, { status });
}
