// The master's methods over gRPC (masterd/protocol/master.proto), for tools and other languages.
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { ProtocolError, RemoteError } from "../../chunkd/protocol/errors.ts";
import type { ClusterSecrets } from "../../chunkd/protocol/handshake.ts";
import { isRefusal } from "../../chunkd/protocol/wire-stats.ts";
import type { Clock } from "../../std/clock.ts";
import type { Tally } from "../../std/histogram.ts";
import type { Log } from "../../std/log.ts";
import type { Address, Listener } from "../../std/net.ts";
import type { ChunkManager } from "../chunks/chunk-manager.ts";
import { HEARTBEAT_MS } from "../chunks/servers.ts";
import { CallVerifier, type GrpcRole } from "../protocol/grpc-authorization.ts";
import { type Locations, MASTER_LIMITS, type MasterMethod, METHODS } from "../protocol/messages.ts";
import { grpcStatus } from "./grpc-status.ts";
import type { Methods } from "./methods.ts";
import { HEARTBEAT, parseRequest, REGISTER } from "./requests.ts";

const PROTO_FILE = join(import.meta.dir, "../protocol/master.proto");
const SERVICE = "skerry.master.v1.Master";

interface Method {
  role: GrpcRole;
  run(request: unknown): unknown;
}

interface Received {
  /** The request's bytes, which the caller's proof covers. */
  bytes: Buffer;
  /** Throws for bytes that are no message of the method. */
  parse(): unknown;
}

export interface GrpcParts {
  methods: Methods;
  chunks: ChunkManager;
  /** Counts what is refused, by reason. */
  refused: Tally;
}

/** Serves gRPC on `address`. Rejects with an error that names the address when it is taken. */
export async function serveGrpc(
  env: { clock: Clock; log: Log },
  address: Address,
  secrets: ClusterSecrets,
  parts: GrpcParts,
): Promise<Listener> {
  const verifier = new CallVerifier(env.clock, secrets);
  const server = new grpc.Server({ "grpc.max_receive_message_length": MASTER_LIMITS.metaSizeMax });
  const implementation: grpc.UntypedServiceImplementation = {};
  const definition = serviceDefinition();
  const table = methodTable(parts, env.clock);
  for (const [name, { path }] of Object.entries(definition)) {
    implementation[name] = unaryHandler(verifier, path, table.get(name)!, parts.refused);
  }
  server.addService(definition, implementation);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return {
    address: address.replace(/:\d+$/, `:${port}`),
    async close() {
      server.forceShutdown();
    },
  };
}

/** The service as the proto file says, but requests keep their bytes beside them. */
function serviceDefinition(): grpc.ServiceDefinition {
  const file = loadSync(PROTO_FILE, { longs: Number, defaults: true, arrays: true, objects: true });
  const service = file[SERVICE] as grpc.ServiceDefinition;
  const methods = Object.entries(service).map(([name, method]) => [
    name,
    {
      ...method,
      requestDeserialize: (bytes: Buffer): Received => ({
        bytes,
        parse: () => method.requestDeserialize(bytes),
      }),
    },
  ]);
  return Object.fromEntries(methods) as grpc.ServiceDefinition;
}

function methodTable({ methods, chunks }: GrpcParts, clock: Clock): Map<string, Method> {
  const table = new Map<string, Method>([
    [
      "Register",
      {
        role: "chunkserver",
        run(request) {
          const { id, totalBytes, freeBytes } = parseRequest(REGISTER, request);
          chunks.registrations.renew(id, { totalBytes, freeBytes, damaged: [], diskFailed: false });
          return { masterNow: clock.now(), heartbeatMs: HEARTBEAT_MS };
        },
      },
    ],
    [
      "Heartbeat",
      {
        role: "chunkserver",
        run(request) {
          const { id } = request as { id: string };
          chunks.registrations.renew(id, parseRequest(HEARTBEAT, request));
          return { masterNow: clock.now() };
        },
      },
    ],
  ]);
  for (const name of Object.keys(METHODS) as MasterMethod[]) {
    const run = methods[name] as (request: unknown) => Promise<unknown>;
    table.set(`${name[0]!.toUpperCase()}${name.slice(1)}`, { role: "client", run });
  }
  return table;
}

function unaryHandler(
  verifier: CallVerifier,
  path: string,
  method: Method,
  refused: Tally,
): grpc.handleUnaryCall<Received, unknown> {
  return async (call, callback) => {
    try {
      const authorization = String(call.metadata.get("authorization")[0] ?? "");
      const role = verifier.verify(authorization, path, call.request.bytes);
      if (role === undefined) throw new RemoteError("UNAUTHENTICATED", "no valid authorization metadata");
      if (role !== method.role) throw new ProtocolError("FORBIDDEN", `the role ${role} may not call ${path}`);
      callback(null, toMessage(await method.run(withoutNulls(parsed(call.request)))));
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (typeof code === "string" && isRefusal(code)) refused.add(code);
      callback(grpcStatus(error));
    }
  };
}

/** Only of a caller that has proved itself: nobody else's bytes are looked into. */
function parsed(received: Received): unknown {
  try {
    return received.parse();
  } catch (error) {
    throw new RemoteError("BAD_REQUEST", `the request is no message of this method: ${String(error)}`);
  }
}

/** Absent messages arrive as null; the methods' own requests spell absence as no field. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  const entries = Object.entries(value).filter(([, field]) => field !== null);
  return Object.fromEntries(entries.map(([name, field]) => [name, withoutNulls(field)]));
}

/** A list cannot be a map's value in protobuf: the locations' lists are wrapped. */
function toMessage(response: unknown): object {
  const message = (response ?? {}) as { locations?: Locations };
  if (!message.locations) return message;
  const wrapped = Object.entries(message.locations).map(([handle, replicas]) => [handle, { replicas }]);
  return { ...message, locations: Object.fromEntries(wrapped) };
}
