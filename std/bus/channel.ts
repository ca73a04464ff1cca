import type { Database } from "../db/database.ts";
import { Wake } from "./waiting.ts";

export interface Told {
  /** Of each notification. */
  heard?(payload: string): void;
  /** Each time it begins to listen: what was told before then may have been missed. */
  listening?(): void;
}

/**
 * A LISTEN of one database. The driver listens again after a lost connection, but only once: it gives up where the server is not
 * back by then. So whoever finds, without having been told, what it should have been told of, has it renewed.
 */
export class Channel {
  readonly wake = new Wake();
  private unlisten: (() => Promise<unknown>) | undefined;
  private renewing: Promise<void> | undefined;
  private closed = false;

  constructor(
    private readonly sql: Database,
    private readonly name: string,
    private readonly told: Told = {},
  ) {}

  /** Rejects where the database cannot be reached. */
  async open(): Promise<void> {
    const heard = (payload: string) => {
      this.told.heard?.(payload);
      this.wake.wake();
    };
    const listening = () => {
      this.told.listening?.();
      this.wake.wake();
    };
    const { unlisten } = await this.sql.listen(this.name, heard, listening);
    this.unlisten = unlisten;
  }

  /** Listens anew, in the background. */
  renew(): void {
    if (this.closed) return;
    this.renewing ??= this.openAgain().finally(() => {
      this.renewing = undefined;
    });
  }

  private async openAgain(): Promise<void> {
    try {
      await this.unlisten?.();
      await this.open();
    } catch {
      // The next who finds something asks again.
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.renewing;
    // A server that is away ends it as well.
    await this.unlisten?.().catch(() => {});
  }
}
