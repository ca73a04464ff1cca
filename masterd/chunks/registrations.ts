// What chunkservers say of themselves: that they are there, every chunk they hold, and their heartbeats.
import type { Connection } from "../../chunkd/protocol/connection.ts";
import { RemoteError } from "../../chunkd/protocol/errors.ts";
import {
  type HeartbeatRequest,
  REMOVED,
  type RegisterRequest,
  type ReportRequest,
} from "../../chunkd/protocol/messages.ts";
import { MasterError } from "../store/errors.ts";
import type { Amnesia } from "./amnesia.ts";
import type { Orphans } from "./orphans.ts";
import type { ChunkParts } from "./parts.ts";
import type { Server } from "./servers.ts";

const DISK_FAILED = "a chunkserver's disk failed: its chunks get replicas elsewhere";

export class Registrations {
  constructor(
    private readonly parts: ChunkParts,
    private readonly orphans: Orphans,
    private readonly amnesia: Amnesia,
    private readonly listener: {
      /** A server that the catalog knows has told how far it has seen a master come. */
      onSeen(): void;
      /** A server has told all it has. */
      onReported(server: string): void;
    },
  ) {}

  /** Throws `FORBIDDEN` for an id that is another's, `REMOVED` for one that the operator has removed. */
  register(request: RegisterRequest, connection: Connection): void {
    const { servers, directory, log } = this.parts;
    const { id, address } = request;
    // Also what a server says that was removed since.
    if (connection.peer?.id === id) {
      this.amnesia.onSeen(id, request.masterSeen);
      if (servers.isKnown(id)) this.listener.onSeen();
    }
    this.refuseOthers(request, connection);
    if (this.amnesia.why === undefined) this.noteNew(id);
    directory.beginReport(id);
    this.orphans.beginReport(id);
    servers.register({ ...request, connection });
    log.info("a chunkserver registered", { server: id, address });
    if (request.diskFailed) log.error(DISK_FAILED, { server: id });
    connection.onClose((error) => {
      if (servers.get(id)?.connection !== connection) return;
      log.warn("a chunkserver's connection ended", { server: id, error: error.message });
    });
  }

  private refuseOthers({ id, address }: RegisterRequest, connection: Connection): void {
    const { servers, log } = this.parts;
    const refuse = (why: string, code = "FORBIDDEN"): never => {
      log.error("a chunkserver was refused", { server: id, address, why });
      throw new RemoteError(code, why);
    };
    if (connection.peer?.id !== id) refuse(`the connection of ${connection.peer?.id} cannot register ${id}`);
    if (servers.state(id) === "removed") {
      refuse(
        `the chunkserver ${id} was removed from this cluster. To take it in again with what it holds: ` +
          `skerry chunkserver undrain ${id}. To use its disk anew: empty its directory`,
        REMOVED,
      );
    }
    // A copied directory. The same server that comes again from the same place is welcome: it knows that the old
    // connection has broken before this side does.
    const present = servers.get(id);
    const isAnother = present && present.connection !== connection && present.address !== address;
    if (isAnother && servers.isLive(present)) {
      refuse(
        `a chunkserver with the id ${id} is there already, at ${present.address}: two may not share an id`,
      );
    }
  }

  private noteNew(id: string): void {
    const { servers, store, clock, log } = this.parts;
    if (servers.isKnown(id)) return;
    // Until this is durable it is a server like any other, only one that a restart of the master would not miss.
    store.submit<"addServer">({ type: "addServer", server: id, at: clock.now() }).catch((error: Error) => {
      log.warn("a new chunkserver was not noted", { server: id, error: String(error) });
    });
  }

  report(request: ReportRequest, connection: Connection): void {
    const { servers, directory, log } = this.parts;
    const server = this.serverOf(connection);
    servers.heard(server);
    if (request.begin && server.reported) {
      directory.repeatReport(server.id);
      this.orphans.beginReport(server.id);
      server.isRepeating = true;
    }
    for (const chunk of request.chunks) {
      if (directory.report(server.id, chunk)) continue;
      this.orphans.report(server.id, chunk);
      this.amnesia.onUnknownChunk(server.id, chunk);
    }
    if (!request.last || (server.reported && !server.isRepeating)) return;
    const missing = directory.endReport(server.id);
    this.orphans.endReport(server.id);
    if (server.isRepeating) {
      server.isRepeating = false;
      if (missing > 0) log.warn("a chunkserver has lost chunks", { server: server.id, chunks: missing });
      return;
    }
    server.reported = true;
    log.info("a chunkserver reported", { server: server.id, chunks: directory.chunksOn(server.id) });
    this.listener.onReported(server.id);
  }

  heartbeat(request: HeartbeatRequest, connection: Connection): void {
    this.heard(this.serverOf(connection), request);
  }

  /** As a heartbeat over another transport: only for a server whose connection to command it is there. */
  renew(id: string, request: HeartbeatRequest): void {
    const server = this.parts.servers.get(id);
    if (!server || server.connection.closed) {
      throw new MasterError("BAD_REQUEST", `${id} has no frame connection to the master: open that first`);
    }
    this.heard(server, request);
  }

  private heard(server: Server, request: HeartbeatRequest): void {
    const { servers, directory, log } = this.parts;
    servers.heard(server);
    server.totalBytes = request.totalBytes;
    server.freeBytes = request.freeBytes;
    server.beat = request;
    if (request.diskFailed && !server.diskFailed) {
      log.error(DISK_FAILED, { server: server.id });
      directory.suspect(server.id);
    }
    server.diskFailed = request.diskFailed;
    for (const handle of request.damaged) directory.confessDamage(handle, server.id);
  }

  private serverOf(connection: Connection): Server {
    const server = this.parts.servers.get(connection.peer?.id ?? "");
    if (server?.connection !== connection) throw new MasterError("BAD_REQUEST", "register first");
    return server;
  }
}
