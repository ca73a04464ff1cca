// Drops peers that stand still: a frame that never ends, answers that are never taken, a host that is gone without a
// word. Each would hold a place, a buffer and a descriptor for ever.
import type { Clock, Timer } from "../../std/clock.ts";
import { type Connection, EMPTY, Op } from "./connection.ts";
import { ProtocolError } from "./errors.ts";

/** How often the peers are looked at, ms. */
const LOOK_MS = 10_000;
/** A frame under way must bring so many bytes from one look to the next: 6 KiB/s. */
const FRAME_BYTES_MIN = 64 << 10;
/** A peer that stands still at so many looks in a row is dropped. */
const STILL_LOOKS_MAX = 2;
/** A peer that sends nothing for so many looks is asked whether it is there. */
const SILENT_LOOKS_MAX = 3;
const PING_TIMEOUT_MS = 10_000;

interface Seen {
  received: number;
  taken: number;
  stillLooks: number;
  silentLooks: number;
}

export class PeerWatch {
  private readonly seen = new Map<Connection, Seen>();
  private timer: Timer | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly peers: Iterable<Connection>,
  ) {
    this.schedule();
  }

  close(): void {
    this.timer?.cancel();
  }

  private schedule(): void {
    this.timer = this.clock.after(LOOK_MS, () => {
      for (const connection of [...this.peers]) this.look(connection);
      for (const connection of this.seen.keys()) if (connection.closed) this.seen.delete(connection);
      this.schedule();
    });
  }

  private look(connection: Connection): void {
    const { received, taken, queuedBytes, midFrame, paused } = connection.progress;
    const before = this.seen.get(connection) ?? { received, taken, stillLooks: 0, silentLooks: 0 };
    const came = received - before.received;
    const takesNothing = queuedBytes > 0 && taken === before.taken;
    // While this side does not read, a frame cannot end.
    const isStill = takesNothing || (!paused && midFrame && came < FRAME_BYTES_MIN);
    const stillLooks = this.seen.has(connection) && isStill ? before.stillLooks + 1 : 0;
    const silentLooks = came === 0 && !paused ? before.silentLooks + 1 : 0;
    this.seen.set(connection, { received, taken, stillLooks, silentLooks });
    if (stillLooks >= STILL_LOOKS_MAX) {
      const what = takesNothing ? "takes no answers" : "does not end its frame";
      connection.close(new ProtocolError("TIMEOUT", `the peer stands still: it ${what}`));
    } else if (silentLooks === SILENT_LOOKS_MAX) {
      void this.ask(connection);
    }
  }

  /** Any answer will do, a refusal too; a connection that gives none is over. */
  private async ask(connection: Connection): Promise<void> {
    try {
      await connection.call(Op.ping, undefined, EMPTY, PING_TIMEOUT_MS);
    } catch (error) {
      if (error instanceof ProtocolError && error.code === "TIMEOUT") connection.close(error);
    }
  }
}
