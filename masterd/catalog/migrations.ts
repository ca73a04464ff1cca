// Catalogs of earlier formats, brought to the present one. Each step is one transaction together with its number, so a
// crash leaves a catalog of a format that is known; the journal is only replayed behind the last of them.
import type { Database } from "bun:sqlite";
import { CATALOG_FORMAT, SERVERS_TABLE } from "./schema.ts";

/** From format 1: nothing was known of chunkservers but what the chunks name. */
function addServers(sqlite: Database): void {
  sqlite.run(SERVERS_TABLE);
  sqlite.run(
    `INSERT INTO servers (id, state, changed_at)
     SELECT DISTINCT member.value, 'active', 0 FROM chunks, json_each(chunks.members) AS member`,
  );
  sqlite.run("INSERT INTO meta VALUES ('orphansHeldSince', 0)");
}

/** By the format that it starts from. */
const STEPS: ReadonlyMap<number, (sqlite: Database) => void> = new Map([[1, addServers]]);

/** Brings a catalog of `format` to the present one. Returns false when there is no way there. */
export function migrate(sqlite: Database, format: unknown): boolean {
  let present = format;
  while (present !== CATALOG_FORMAT) {
    const step = typeof present === "number" ? STEPS.get(present) : undefined;
    if (!step) return false;
    const next = (present as number) + 1;
    sqlite.transaction(() => {
      step(sqlite);
      sqlite.run("UPDATE meta SET value = ? WHERE name = 'format'", [next]);
    })();
    present = next;
  }
  return true;
}
