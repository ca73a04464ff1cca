// The connection to NATS and the three streams; FORMAT.md says what is in them.
import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  type StreamConfig,
} from "@nats-io/jetstream";
import { connect, type NatsConnection, nanos } from "@nats-io/transport-node";
import { type Clock, delay } from "../clock.ts";
import type { Retention } from "./carrier.ts";
import { DATA_BYTES_MAX } from "./event.ts";

export const EVENTS_STREAM = "SKERRY_EVENTS";
export const STATE_STREAM = "SKERRY_STATE";
export const LEASES_STREAM = "SKERRY_LEASES";
export const EVENT_SUBJECT = "skerry.events.";
export const CONSUMER_SUBJECT = "skerry.state.consumer.";
export const DEAD_SUBJECT = "skerry.state.dead.";
export const LEASE_SUBJECT = "skerry.lease.consumer.";
export const LEASE_MS = 6_000;

/** How long a relay may take to publish again what it had published when it was killed. The server remembers ids in memory. */
const DUPLICATE_WINDOW_MS = 600_000;
/** Its data, its envelope, and what JSON adds to a dead letter's. */
const MESSAGE_BYTES_MAX = 3 * DATA_BYTES_MAX;
const OPEN_WAIT_MS = 30_000;
const OPEN_RETRY_MS = 250;
const CONNECT_TIMEOUT_MS = 5_000;
const RECONNECT_MS = 250;
const PING_MS = 10_000;

/**
 * Connects to `url`: `nats://HOST:PORT` or `tls://...`, with `USER:PASSWORD@` or `TOKEN@` where the server wants it; several are
 * separated by commas. Waits up to 30 s for a starting server, then rejects. The connection comes back by itself.
 */
export async function connectNats(url: string, clock: Clock): Promise<NatsConnection> {
  const servers = url.split(",").map((one) => new URL(one.trim()));
  const { username, password, protocol } = servers[0]!;
  const until = clock.monotonic() + OPEN_WAIT_MS;
  for (;;) {
    try {
      return await connect({
        servers: servers.map((server) => server.host),
        ...(password ? { user: decodeURIComponent(username), pass: decodeURIComponent(password) } : {}),
        ...(username && !password ? { token: decodeURIComponent(username) } : {}),
        ...(protocol === "tls:" ? { tls: {} } : {}),
        name: "skerry",
        timeout: CONNECT_TIMEOUT_MS,
        maxReconnectAttempts: -1,
        reconnectTimeWait: RECONNECT_MS,
        pingInterval: PING_MS,
      });
    } catch (error) {
      if (clock.monotonic() > until) throw error;
      await delay(clock, OPEN_RETRY_MS);
    }
  }
}

/** Makes the streams, or brings their limits up to date. */
export async function ensureStreams(
  connection: NatsConnection,
  retention: Retention,
  replicas: number,
): Promise<JetStreamManager> {
  const manager = await jetstreamManager(connection);
  await ensure(manager, {
    name: EVENTS_STREAM,
    subjects: [`${EVENT_SUBJECT}>`],
    storage: "file",
    num_replicas: replicas,
    max_age: nanos(retention.ageMs),
    max_bytes: retention.bytes,
    max_msg_size: MESSAGE_BYTES_MAX,
    duplicate_window: nanos(Math.min(DUPLICATE_WINDOW_MS, retention.ageMs)),
  });
  await ensure(manager, {
    name: STATE_STREAM,
    subjects: [`${CONSUMER_SUBJECT}>`, `${DEAD_SUBJECT}>`],
    storage: "file",
    num_replicas: replicas,
    max_msgs_per_subject: 1,
  });
  await ensure(manager, {
    name: LEASES_STREAM,
    subjects: [`${LEASE_SUBJECT}>`],
    // Not memory: a restarted server has forgotten such a stream itself.
    storage: "file",
    num_replicas: replicas,
    max_msgs_per_subject: 1,
    max_age: nanos(LEASE_MS),
    duplicate_window: nanos(LEASE_MS),
  });
  return manager;
}

async function ensure(
  manager: JetStreamManager,
  config: Partial<StreamConfig> & { name: string },
): Promise<void> {
  try {
    await manager.streams.info(config.name);
  } catch (error) {
    const absent = error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;
    if (!absent) throw error;
    await manager.streams.add(config);
    return;
  }
  await manager.streams.update(config.name, config);
}
