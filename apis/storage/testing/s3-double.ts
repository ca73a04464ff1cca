// The S3 API over the memory engine, and a client that signs: for tests below the level of sockets.
import { systemClock } from "../../../std/clock.ts";
import { jsonLog, type LogFields, silentLog } from "../../../std/log.ts";
import { Access } from "../../auth/access/access.ts";
import { AccessCopy } from "../../auth/access/access-copy.ts";
import type { AccessKey, Keyring } from "../../auth/identity.ts";
import { ObjectStore } from "../objects.ts";
import { signRequest } from "../s3/auth/sign.ts";
import { createS3 } from "../s3/handler.ts";
import type { S3Handler, S3Request } from "../s3/http.ts";
import { MemoryChunks, MemoryMaster } from "./memory-engine.ts";

export const REGION = "eu-test-1";

function key(name: string, admin: boolean): AccessKey {
  return {
    accessKeyId: `KEY${name.toUpperCase()}`,
    secretAccessKey: `secret of ${name}`,
    principal: { userId: `id-${name}`, name, admin },
  };
}

export const USERS = { alice: key("alice", false), bob: key("bob", false), root: key("root", true) };
export type User = keyof typeof USERS;

export const KEYRING: Keyring = {
  find: (accessKeyId) => Object.values(USERS).find((user) => user.accessKeyId === accessKeyId),
};

const copy = new AccessCopy(silentLog);
copy.setUsers(
  new Map(
    Object.values(USERS).map(({ principal: { userId: id, name, admin } }) => [
      id,
      { id, name, disabled: false, boundary: null, roles: [admin ? "admin" : "member"] },
    ]),
  ),
);
export const ACCESS = new Access(copy, { isFresh: () => true, refresh: async () => {} }, systemClock);

export interface Sent {
  /** Percent-encoded, without `?`. */
  query?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  /** Undefined: no signature. */
  as?: User;
}

export interface Answer {
  status: number;
  headers: Record<string, string>;
  text: string;
  /** The error code in the XML, if it is an error. */
  code: string | undefined;
}

export class S3Double {
  readonly master = new MemoryMaster();
  readonly chunks = new MemoryChunks();
  readonly store: ObjectStore;
  readonly handler: S3Handler;
  readonly logged: LogFields[] = [];

  constructor() {
    const clock = systemClock;
    const parts = { master: this.master.client, writer: this.chunks, reader: this.chunks };
    this.store = new ObjectStore({ ...parts, clock });
    const log = jsonLog((line) => this.logged.push(JSON.parse(line) as LogFields));
    this.handler = createS3({
      store: this.store,
      keyring: KEYRING,
      access: ACCESS,
      region: REGION,
      clock,
      log,
    });
  }

  /** A double in which alice has a bucket "alices" and bob one "bobs". */
  static async withBuckets(): Promise<S3Double> {
    const double = new S3Double();
    await double.send("PUT", "/alices", { as: "alice" });
    await double.send("PUT", "/bobs", { as: "bob" });
    return double;
  }

  async send(method: string, rawPath: string, sent: Sent = {}): Promise<Answer> {
    const request = requestOf(method, rawPath, sent);
    const { status, headers, body } = await this.handler(request);
    const pieces: Uint8Array[] = [];
    if (typeof body === "string") pieces.push(Buffer.from(body));
    else if (body instanceof Uint8Array) pieces.push(body);
    else if (body !== null) for await (const bytes of body) pieces.push(bytes);
    const text = Buffer.concat(pieces).toString();
    return { status, headers, text, code: /<Error>.*?<Code>(\w+)</s.exec(text)?.[1] };
  }
}

/** The request that a server would hand over. */
export function requestOf(method: string, rawPath: string, sent: Sent): S3Request {
  const body = typeof sent.body === "string" ? Buffer.from(sent.body) : sent.body;
  const headers: Record<string, string> = { ...sent.headers };
  if (body !== undefined) headers["content-length"] ??= String(body.length);
  return {
    method,
    target: sent.query === undefined ? rawPath : `${rawPath}?${sent.query}`,
    headers: new Map(
      Object.entries(sent.as === undefined ? headers : signedHeaders(method, rawPath, sent, headers)),
    ),
    body: body === undefined ? null : once(body),
    remoteAddress: "127.0.0.1",
    requestId: "0000000000000001",
  };
}

export function signedHeaders(
  method: string,
  rawPath: string,
  { query, as = "alice" }: Sent,
  headers: Record<string, string>,
  host = "s3.test",
): Record<string, string> {
  return signRequest({ method, host, rawPath, query, headers }, USERS[as], REGION, Date.now());
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}
