import { useCallback, useMemo, useState } from "react";
import type { Row } from "./listing.ts";

/** Which of `rows` are ticked. Rows that went away are no longer selected. */
export function useSelection(rows: readonly Row[]) {
  const [ids, setIds] = useState<ReadonlySet<string>>(new Set());
  const selected = useMemo(() => rows.filter((row) => ids.has(row.id)), [rows, ids]);

  const toggle = useCallback((id: string) => {
    setIds((before) => {
      const after = new Set(before);
      if (!after.delete(id)) after.add(id);
      return after;
    });
  }, []);
  const clear = useCallback(() => setIds(new Set()), []);
  const all = rows.length > 0 && selected.length === rows.length;
  const toggleAll = useCallback(
    () => setIds(all ? new Set() : new Set(rows.map((row) => row.id))),
    [all, rows],
  );
  return { ids, selected, all, toggle, toggleAll, clear };
}
