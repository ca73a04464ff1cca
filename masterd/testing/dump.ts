import type { Catalog } from "../catalog/catalog.ts";

const TABLES = ["meta", "buckets", "objects", "uploads", "parts", "completions", "chunks", "servers"];

/** Everything that a catalog holds, as text: equal dumps are equal catalogs. */
export function dump({ database }: Catalog): string {
  const { sqlite, meta } = database;
  const tables = TABLES.map((table) => {
    const rows = sqlite.query(`SELECT * FROM ${table}`).values();
    // The meta table is written with each commit only; what it will say is in memory.
    return table === "meta" ? JSON.stringify(meta) : `${table}\n${rows.map(rowText).join("\n")}`;
  });
  return tables.join("\n\n");
}

function rowText(row: unknown[]): string {
  return row
    .map((field) => (field instanceof Uint8Array ? Buffer.from(field).toString("hex") : String(field)))
    .join(" | ");
}
