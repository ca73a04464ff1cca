// One-time tickets for what cannot send a header, WebSocket and EventSource above all: a URL is logged, kept in histories
// and sent on, so an access token never stands in one. A ticket is worth nothing once it was used, anywhere else, or
// after half a minute.
import { createHash } from "node:crypto";
import type { Clock } from "../../../std/clock.ts";
import type { Database } from "../../../std/db/database.ts";
import type { Random } from "../../../std/random.ts";
import { answered } from "../answered.ts";
import type { LiveSession, LiveSessions } from "../sessions/sessions.ts";

export const TICKET_MS = 30_000;
/** Unused ones at a time; the oldest make room. */
export const TICKETS_PER_SESSION_MAX = 20;
const TICKET_BYTES = 32;
const FORM = /^skt\.[A-Za-z0-9_-]{43}$/;

export interface Ticket {
  ticket: string;
  /** ms since the epoch. */
  expiresAt: number;
}

export class Tickets {
  constructor(
    private readonly sql: Database,
    private readonly sessions: LiveSessions,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** A ticket for one request to `path`, as the client will send it, in the name of `session`. Throws `unavailable`. */
  async issue(session: LiveSession, path: string): Promise<Ticket> {
    const ticket = `skt.${this.random.bytes(TICKET_BYTES).toString("base64url")}`;
    const expiresAt = this.clock.now() + TICKET_MS;
    await answered(
      this.sql.begin(async (transaction) => {
        await transaction`
          INSERT INTO tickets (hash, session_id, path, expires)
          SELECT ${hashOf(ticket)}, id, ${path}, ${new Date(expiresAt)} FROM sessions WHERE id = ${session.id} FOR UPDATE`;
        await transaction`
          DELETE FROM tickets WHERE hash IN (
            SELECT hash FROM tickets WHERE session_id = ${session.id}
            ORDER BY expires DESC, hash OFFSET ${TICKETS_PER_SESSION_MAX})`;
      }),
    );
    return { ticket, expiresAt };
  }

  /** The session of a ticket for `path`, which is used up; undefined for any other text. Throws `unavailable`. */
  async redeem(ticket: string, path: string): Promise<LiveSession | undefined> {
    if (!FORM.test(ticket)) return undefined;
    // Gone whether or not the path is the right one: whoever tries it elsewhere has no business with it.
    const [row] = await answered(
      this.sql<{ sessionId: string; path: string; expires: Date }[]>`
        DELETE FROM tickets WHERE hash = ${hashOf(ticket)} RETURNING session_id AS "sessionId", path, expires`,
    );
    if (!row || row.path !== path || row.expires.getTime() <= this.clock.now()) return undefined;
    return this.sessions.ofId(row.sessionId);
  }

  async sweep(): Promise<void> {
    await this.sql`DELETE FROM tickets WHERE expires < ${new Date(this.clock.now())}`;
  }
}

function hashOf(ticket: string): Buffer {
  return createHash("sha256").update(ticket).digest();
}
