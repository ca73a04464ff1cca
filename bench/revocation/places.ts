// Where a credential can be shown: each API, and S3, of each process.
import { type Credentials, signRequest } from "../../apis/storage/s3/auth/sign.ts";

const REGION = "us-east-1";
/** A read of each API, which takes a permission. */
const READS = {
  auth: "/session",
  storage: "/buckets",
  audit: "/retention",
  events: "/dead",
} as const;

export type PlaceName = keyof typeof READS | "s3";
export const PLACES: readonly PlaceName[] = ["auth", "storage", "audit", "events", "s3"];

/** What a request is made with; a place that takes neither is not asked. */
export interface Credential {
  /** A session's access token, or an API token. */
  bearer?: string;
  key?: Credentials;
}

export interface Place {
  name: PlaceName;
  /** The status of a request there; undefined where `credential` has nothing for it. */
  ask(credential: Credential): Promise<number> | undefined;
}

export interface Process {
  name: string;
  places: readonly Place[];
  /** Calls an API, e.g. `DELETE /auth/session`. Throws unless it is answered 2xx. */
  call(method: string, path: string, bearer: string, body?: object): Promise<void>;
}

/** A process with its JSON APIs below `${url}/api/` and S3 at `s3Host`. */
export function processAt(name: string, url: string, s3Host: string, ca?: string): Process {
  const tls = ca === undefined ? undefined : { ca };
  const send = async (target: string, init: RequestInit): Promise<number> => {
    const response = await fetch(target, { ...init, tls });
    await response.arrayBuffer();
    return response.status;
  };
  const api = (service: keyof typeof READS): Place => ({
    name: service,
    ask: ({ bearer }) =>
      bearer === undefined
        ? undefined
        : send(`${url}/api/${service}${READS[service]}`, { headers: { authorization: `Bearer ${bearer}` } }),
  });
  const s3: Place = {
    name: "s3",
    ask({ key }) {
      if (key === undefined) return undefined;
      const headers = signRequest({ method: "GET", host: s3Host, rawPath: "/" }, key, REGION, Date.now());
      return send(`http://${s3Host}/`, { headers });
    },
  };
  return {
    name,
    places: [api("auth"), api("storage"), api("audit"), api("events"), s3],
    async call(method, path, bearer, body) {
      const headers = { authorization: `Bearer ${bearer}`, "content-type": "application/json" };
      const status = await send(`${url}/api${path}`, { method, headers, body: body && JSON.stringify(body) });
      if (status >= 300) throw new Error(`${method} ${path} at ${name} was answered ${status}`);
    },
  };
}
