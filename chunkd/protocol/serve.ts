// The accepting side: who is let in, how many at once, and who is shown the door.
import type { Address, Listener, Socket } from "../../std/net.ts";
import {
  Connection,
  type ConnectionOptions,
  type Environment,
  HANDSHAKE_TIMEOUT_MS,
  type Handler,
  Op,
} from "./connection.ts";
import { ProtocolError, RemoteError } from "./errors.ts";
import type { FrameLimits } from "./frame.ts";
import { type ClusterSecrets, handshakeProof, NONCE_SIZE, proofMatches, type Role } from "./handshake.ts";
import type { LocalAccess } from "./local-access.ts";
import { PeerWatch } from "./peer-watch.ts";

/** Before the peer is known it may send no more than this. */
const LIMITS_UNAUTHENTICATED: FrameLimits = { metaSizeMax: 4096, bodySizeMax: 0 };
/** Connections at once whose peer has not proved anything yet; a newer one takes the place of the oldest. */
const STRANGERS_MAX = 256;
const CONNECTIONS_MAX = 1024;

export interface ServeOptions extends Omit<ConnectionOptions, "clock"> {
  /** What peers on the same machine are told. */
  local?: LocalAccess;
  handler: Handler;
  /** Called for each peer that has proved its role. */
  onConnection?(connection: Connection): void;
  /** Peers at once that have proved their role; the handshake of more is refused with `OVERLOADED`. */
  connectionsMax?: number;
}

/** Accepts connections at `address`; requests reach `handler` only from peers that have proved their role. */
export async function serve(
  env: Environment,
  address: Address,
  secrets: ClusterSecrets,
  options: ServeOptions,
): Promise<Listener> {
  const strangers = new Set<Connection>();
  const peers = new Set<Connection>();
  const { stats } = options;
  // Several listeners may share the stats.
  const count = (change: { strangers?: number; peers?: number }): void => {
    if (!stats) return;
    stats.strangers += change.strangers ?? 0;
    stats.peers += change.peers ?? 0;
  };
  const admit = (connection: Connection): void => {
    if (peers.size >= (options.connectionsMax ?? CONNECTIONS_MAX)) {
      throw new RemoteError("OVERLOADED", `${peers.size} peers are connected: try again later`);
    }
    strangers.delete(connection);
    peers.add(connection);
    count({ strangers: -1, peers: 1 });
  };
  const listener = await env.net.listen(address, (socket) => {
    const connection = accept(env, socket, secrets, options, admit);
    // The oldest gives way, not the newcomer: a peer is done with its handshake long before whoever only holds a place.
    if (strangers.size >= STRANGERS_MAX) closeOldest(strangers);
    strangers.add(connection);
    if (stats) stats.accepted++;
    connection.onClose((error) => {
      if (strangers.delete(connection)) count({ strangers: -1 });
      else if (peers.delete(connection)) count({ peers: -1 });
      if (error instanceof ProtocolError && error.code !== "DISCONNECTED") stats?.refuse(error.code);
    });
    count({ strangers: 1 });
    return connection.socketHandlers;
  });
  const watch = new PeerWatch(env.clock, peers);
  return {
    address: listener.address,
    async close() {
      watch.close();
      for (const connection of [...strangers, ...peers]) connection.close();
      await listener.close();
    },
  };
}

function closeOldest(strangers: ReadonlySet<Connection>): void {
  for (const oldest of strangers) {
    oldest.close(new ProtocolError("OVERLOADED", "too many connections without a handshake"));
    return;
  }
}

function accept(
  env: Environment,
  socket: Socket,
  secrets: ClusterSecrets,
  options: ServeOptions,
  /** Throws when there is no place for another peer. */
  admit: (connection: Connection) => void,
): Connection {
  const acceptorNonce = env.random.bytes(NONCE_SIZE);
  const deadline = env.clock.after(HANDSHAKE_TIMEOUT_MS, () =>
    connection.close(new ProtocolError("UNAUTHENTICATED", "no handshake in time")),
  );
  const handler: Handler = (opcode, meta, body, from, pieces) => {
    if (opcode === Op.ping) return { meta: undefined };
    if (from.peer) return options.handler(opcode, meta, body, from, pieces);
    if (opcode !== Op.auth) throw new RemoteError("UNAUTHENTICATED", "the handshake comes first");
    const peer = authenticate(secrets, meta, acceptorNonce);
    admit(from);
    deadline.cancel();
    from.authenticated({ role: peer.role, id: peer.id });
    options.onConnection?.(from);
    return { meta: { proof: handshakeProof(secrets, "accept", peer), local: options.local } };
  };
  const connection = new Connection(
    socket,
    { ...options, clock: env.clock, handler },
    LIMITS_UNAUTHENTICATED,
  );
  connection.onClose(() => deadline.cancel());
  connection.notify(Op.hello, { nonce: acceptorNonce });
  return connection;
}

/** Throws {@link RemoteError} `UNAUTHENTICATED` unless `meta` proves a role of this cluster. */
function authenticate(secrets: ClusterSecrets, meta: unknown, acceptorNonce: Uint8Array) {
  const { clusterId, role, id, nonce, proof } = (meta ?? {}) as Record<string, unknown>;
  if (clusterId !== secrets.clusterId) {
    throw new RemoteError("UNAUTHENTICATED", "this peer belongs to another cluster");
  }
  const known = role === "client" || role === "chunkserver" || role === "master";
  if (!known || typeof id !== "string" || !(nonce instanceof Uint8Array) || nonce.length !== NONCE_SIZE) {
    throw new RemoteError("UNAUTHENTICATED", "malformed handshake");
  }
  const transcript = { role: role as Role, id, callerNonce: nonce, acceptorNonce };
  if (!proofMatches(handshakeProof(secrets, "call", transcript), proof)) {
    throw new RemoteError("UNAUTHENTICATED", `wrong proof for the role ${role}`);
  }
  return transcript;
}
