// Which operation goes where, and whose role may ask for it.
import type { Connection, Handler, Reply } from "../protocol/connection.ts";
import { RemoteError } from "../protocol/errors.ts";
import type { Role } from "../protocol/handshake.ts";
import { ChunkOp } from "../protocol/messages.ts";
import { BLOCK_SIZE } from "../protocol/record.ts";
import { chunkStat } from "../store/chunk.ts";
import { type ChunkReader, FILE_PIECE_SIZE } from "../store/chunk-reader.ts";
import type { ChunkStore } from "../store/chunk-store.ts";
import { ChunkError } from "../store/errors.ts";
import { HEAD_SIZE_MAX } from "../store/record-walk.ts";
import { AnswerBudget } from "./answer-budget.ts";
import type { Appends } from "./appends.ts";
import type { Compactions } from "./compactions.ts";
import type { Copies } from "./copies.ts";
import type { MasterMemory } from "./master-memory.ts";
import * as requests from "./requests.ts";
import type { Scrubber } from "./scrubber.ts";
import { Streams } from "./streams.ts";

interface Parts {
  store: ChunkStore;
  reader: ChunkReader;
  appends: Appends;
  copies: Copies;
  compactions: Compactions;
  scrubber: Scrubber;
  memory: MasterMemory;
}

interface Operation {
  roles: readonly Role[];
  /** `pieces`: the body, of the operations {@link IN_PIECES}, where it is large; `body` is then empty. */
  run(meta: unknown, body: Buffer, from: Connection, pieces?: Buffer[]): Reply | Promise<Reply>;
}

/** Operations that take large bodies as they came. */
export const IN_PIECES: ReadonlySet<number> = new Set([ChunkOp.append, ChunkOp.replicate]);

const DONE: Reply = { meta: undefined };
const WRITER = ["client"] as const;
const PEER = ["chunkserver"] as const;
const MASTER = ["master"] as const;
/** What even a master that has forgotten may ask: it changes no chunk. */
const HARMLESS: ReadonlySet<number> = new Set([ChunkOp.scrub]);
const ANY = ["client", "chunkserver", "master"] as const;

async function answer(meta: unknown): Promise<Reply> {
  return { meta: await meta };
}

/** The operations between writers, readers and replicas. */
function dataOperations({ store, reader, appends }: Parts): [number, Operation][] {
  const streams = new Streams(store, reader);
  const answers = new AnswerBudget();
  return [
    [
      ChunkOp.append,
      {
        roles: WRITER,
        run: (meta, body, _from, pieces) =>
          answer(appends.append(requests.appendRequest(meta), pieces ?? body)),
      },
    ],
    [
      ChunkOp.replicate,
      {
        roles: PEER,
        run: (meta, body, { peer }, pieces) =>
          answer(appends.replicate(requests.replicateRequest(meta), pieces ?? body, peer!.id)),
      },
    ],
    [
      ChunkOp.commit,
      {
        roles: PEER,
        run(meta) {
          appends.committed(requests.commitNotice(meta));
          return DONE;
        },
      },
    ],
    [
      ChunkOp.abort,
      {
        roles: PEER,
        run(meta) {
          appends.aborted(requests.abortNotice(meta));
          return DONE;
        },
      },
    ],
    [
      ChunkOp.read,
      {
        roles: ANY,
        run(meta, _body, from) {
          const request = requests.readRequest(meta);
          const size = HEAD_SIZE_MAX + request.blockCount * BLOCK_SIZE;
          const read = async () => ({ meta: undefined, body: await reader.read(request) });
          return answers.run(from, size, read);
        },
      },
    ],
    [
      ChunkOp.stream,
      {
        roles: ANY,
        run(meta, _body, from) {
          const request = requests.streamRequest(meta);
          return answers.run(from, request.size, () => streams.stream(request));
        },
      },
    ],
    [
      ChunkOp.readFile,
      {
        roles: PEER,
        run(meta, _body, from) {
          const request = requests.readFileRequest(meta);
          return answers.run(from, FILE_PIECE_SIZE, () => streams.file(request));
        },
      },
    ],
  ];
}

/** The master's commands, and what anybody may ask about a chunk. */
function chunkOperations({ store, appends, copies, compactions, scrubber }: Parts): [number, Operation][] {
  return [
    [
      ChunkOp.fence,
      {
        roles: MASTER,
        run(meta) {
          const { handle, version } = requests.fenceRequest(meta);
          const fenced = store.fence(handle, version);
          appends.end(handle);
          return answer(fenced);
        },
      },
    ],
    [
      ChunkOp.seal,
      {
        roles: MASTER,
        run(meta) {
          const { handle, version, length } = requests.sealRequest(meta);
          return answer(store.seal(handle, version, length).finally(() => appends.end(handle)));
        },
      },
    ],
    [ChunkOp.copy, { roles: MASTER, run: (meta) => answer(copies.copy(requests.copyRequest(meta))) }],
    [
      ChunkOp.remove,
      {
        roles: MASTER,
        run(meta) {
          const { handle } = requests.handleRequest(meta);
          appends.end(handle);
          return answer(store.remove(handle));
        },
      },
    ],
    [
      ChunkOp.compact,
      { roles: MASTER, run: (meta, body) => compactions.compact(requests.compactRequest(meta), body) },
    ],
    [
      ChunkOp.scrub,
      { roles: MASTER, run: (meta) => answer(scrubber.control(requests.scrubControlRequest(meta))) },
    ],
    [
      ChunkOp.stat,
      { roles: ANY, run: (meta) => ({ meta: chunkStat(store.find(requests.handleRequest(meta).handle)) }) },
    ],
  ];
}

/** Answers the requests of all peers, over whichever connection they come. */
export function operationHandler(parts: Parts): Handler {
  const operations = new Map([...dataOperations(parts), ...chunkOperations(parts)]);
  return (opcode: number, meta: unknown, body: Buffer, from: Connection, pieces?: Buffer[]) => {
    const operation = operations.get(opcode);
    if (!operation) throw new RemoteError("UNKNOWN_OPERATION", `a chunkserver has no operation ${opcode}`);
    const { peer } = from;
    if (!peer || !operation.roles.includes(peer.role)) {
      throw new ChunkError("FORBIDDEN", `the role ${peer?.role} may not ask for operation ${opcode}`);
    }
    if (operation.roles === MASTER && !HARMLESS.has(opcode)) parts.memory.admit(from);
    return operation.run(meta, body, from, pieces);
  };
}
