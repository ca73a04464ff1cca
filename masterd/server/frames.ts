// The master's methods as frames: the API's calls, and what chunkservers register, report and beat.
import type { Connection, Handler, Reply } from "../../chunkd/protocol/connection.ts";
import { ProtocolError } from "../../chunkd/protocol/errors.ts";
import type { Role } from "../../chunkd/protocol/handshake.ts";
import { type HeartbeatResponse, MasterOp, type RegisterResponse } from "../../chunkd/protocol/messages.ts";
import type { Clock } from "../../std/clock.ts";
import type { ChunkManager } from "../chunks/chunk-manager.ts";
import { HEARTBEAT_MS } from "../chunks/servers.ts";
import { type MasterMethod, METHODS } from "../protocol/messages.ts";
import type { Methods } from "./methods.ts";
import { HEARTBEAT, parseRequest, REGISTER, REPORT } from "./requests.ts";

type Operation = (meta: unknown, from: Connection) => unknown;

/** Answers every frame; a role that may not ask for an operation is told `FORBIDDEN`. */
export function frameHandler(methods: Methods, chunks: ChunkManager, clock: Clock): Handler {
  const forClients = new Map<number, Operation>();
  for (const [name, opcode] of Object.entries(METHODS) as [MasterMethod, number][]) {
    forClients.set(opcode, methods[name] as Operation);
  }
  const forChunkservers = chunkserverOperations(chunks, clock);
  return (opcode, meta, _body, from) => {
    const [role, operation] = find(opcode, forClients, forChunkservers);
    if (from.peer?.role !== role) {
      throw new ProtocolError("FORBIDDEN", `the role ${from.peer?.role} may not ask for operation ${opcode}`);
    }
    const answer = operation(meta, from);
    return answer instanceof Promise ? answer.then(asReply) : asReply(answer);
  };
}

function asReply(meta: unknown): Reply {
  return { meta };
}

function find(
  opcode: number,
  forClients: ReadonlyMap<number, Operation>,
  forChunkservers: ReadonlyMap<number, Operation>,
): [Role, Operation] {
  const client = forClients.get(opcode);
  if (client) return ["client", client];
  const chunkserver = forChunkservers.get(opcode);
  if (chunkserver) return ["chunkserver", chunkserver];
  throw new ProtocolError("UNKNOWN_OPERATION", `the master has no operation ${opcode}`);
}

function chunkserverOperations(chunks: ChunkManager, clock: Clock): Map<number, Operation> {
  return new Map<number, Operation>([
    [
      MasterOp.register,
      (meta, from): RegisterResponse => {
        chunks.registrations.register(parseRequest(REGISTER, meta), from);
        return { masterNow: clock.now(), heartbeatMs: HEARTBEAT_MS, reached: chunks.reached };
      },
    ],
    [
      MasterOp.report,
      (meta, from) => {
        chunks.registrations.report(parseRequest(REPORT, meta), from);
        return null;
      },
    ],
    [
      MasterOp.heartbeat,
      (meta, from): HeartbeatResponse => {
        chunks.registrations.heartbeat(parseRequest(HEARTBEAT, meta), from);
        return { masterNow: clock.now(), reached: chunks.reached };
      },
    ],
  ]);
}
