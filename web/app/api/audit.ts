import type { AuditEntry, AuditFilter, AuditPage } from "../../../apis/audit/reader.ts";
import type { Verdict } from "../../../apis/audit/verify.ts";
import { call } from "./http.ts";

export type { AuditEntry, AuditFilter, AuditPage, Verdict };

const AUDIT = "/api/audit";
const PAGE = 50;

function queryOf(values: object): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== undefined) query.set(name, String(value));
  return query.toString();
}

export const audit = {
  entries: (filter: AuditFilter, before?: number, signal?: AbortSignal) =>
    call<AuditPage>("GET", `${AUDIT}/entries?${queryOf({ ...filter, before, limit: PAGE })}`, { signal }),
  /** The address of a file of all entries that match, a JSON object a line. */
  exportPath: (filter: AuditFilter) => `${AUDIT}/export?${queryOf(filter)}`,
  /** Checks some entries behind `from`; without it, from the oldest. */
  verify: (from: Verdict["through"] | undefined, signal: AbortSignal) =>
    call<Verdict>("GET", `${AUDIT}/verify?${queryOf(from ?? {})}`, { signal }),
};
