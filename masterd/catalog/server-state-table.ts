import type { ServerState } from "../protocol/messages.ts";
import type { CatalogDatabase } from "./database.ts";

export interface ServerRow {
  id: string;
  state: ServerState;
  /** When it came into this state, ms since the epoch. */
  changedAt: number;
}

export class ServerStateTable {
  private readonly selectAll;
  private readonly insert;
  private readonly replace;

  constructor({ sqlite }: CatalogDatabase) {
    this.selectAll = sqlite.query<{ id: string; state: ServerState; changed_at: number }, []>(
      "SELECT id, state, changed_at FROM servers ORDER BY id",
    );
    this.insert = sqlite.query<unknown, [string, number]>(
      "INSERT OR IGNORE INTO servers (id, state, changed_at) VALUES (?, 'active', ?)",
    );
    this.replace = sqlite.query<unknown, [string, ServerState, number]>(
      "INSERT OR REPLACE INTO servers (id, state, changed_at) VALUES (?, ?, ?)",
    );
  }

  all(): ServerRow[] {
    return this.selectAll.all().map(({ id, state, changed_at }) => ({ id, state, changedAt: changed_at }));
  }

  /** Notes a chunkserver that is not known yet, as active. */
  add(id: string, at: number): void {
    this.insert.run(id, at);
  }

  setState(id: string, state: ServerState, at: number): void {
    this.replace.run(id, state, at);
  }
}
