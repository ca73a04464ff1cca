// APIs that tell what reached them, so that the gateway's tests can see what it passed on.
import type { ApiFetch, Apis, MountedApis } from "../../apis/serve.ts";
import type { S3Handler } from "../../apis/storage/s3/http.ts";

export interface FakeApis extends Apis {
  /** What {@link Apis.problems} answers. */
  trouble: string[];
}

/** Each API answers with the JSON of the request as it saw it; S3 the same, as `{"s3": ...}`. */
export function fakeApis(more: { s3?: S3Handler; mounted?: ApiFetch } = {}): FakeApis {
  const echo =
    (api: string): ApiFetch =>
    async (request, { source, requestId, overTls }) => {
      const { pathname, search } = new URL(request.url);
      const headers = Object.fromEntries(request.headers);
      const body = await request.text();
      return Response.json({
        api,
        method: request.method,
        path: pathname + search,
        headers,
        source,
        requestId,
        overTls,
        body,
      });
    };
  const s3: S3Handler = async ({ method, target, headers, requestId, overTls = false, ...more }) => ({
    status: 200,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      s3: {
        method,
        target,
        host: headers.get("host"),
        virtualHostSuffix: more.virtualHostSuffix,
        requestId,
        overTls,
      },
    }),
  });
  const apis: FakeApis = {
    trouble: [],
    mounted: more.mounted ?? echo("mounted"),
    services: new Map([
      ["auth", echo("auth")],
      ["storage", echo("storage")],
    ]),
    s3: more.s3 ?? s3,
    problems: async () => apis.trouble,
    close: async () => {},
  };
  return apis;
}

/** The same as the role `apis` has them; its doors for the operator lead nowhere. */
export function mountedFakeApis(more: Parameters<typeof fakeApis>[0] = {}): MountedApis {
  const nowhere = () => new Response(null);
  return {
    ...fakeApis(more),
    admin: nowhere,
    audit: nowhere,
    events: nowhere,
    chunkservers: nowhere,
    describe: () => {},
    storageStatus: () => Promise.reject(new Error("not asked for here")),
  };
}
