import { useCallback, useMemo, useRef, useState } from "react";
import { idsBetween, type Row } from "./listing.ts";

/** Which of `rows` are ticked. Rows that went away are no longer selected. */
export function useSelection(rows: readonly Row[]) {
  const [ids, setIds] = useState<ReadonlySet<string>>(new Set());
  const selected = useMemo(() => rows.filter((row) => ids.has(row.id)), [rows, ids]);
  /** Where a range begins: the row that was ticked last. */
  const anchor = useRef<string>(undefined);

  /** Ticks the row `id` or takes its tick away; `ranging`: ticks all from the last one to it. */
  const select = useCallback(
    (id: string, ranging: boolean) => {
      const range = ranging ? idsBetween(rows, anchor.current, id) : [];
      anchor.current = id;
      setIds((before) => {
        const after = new Set(before);
        if (range.length > 0) for (const each of range) after.add(each);
        else if (!after.delete(id)) after.add(id);
        return after;
      });
    },
    [rows],
  );
  const clear = useCallback(() => setIds(new Set()), []);
  const all = rows.length > 0 && selected.length === rows.length;
  const toggleAll = useCallback(
    () => setIds(all ? new Set() : new Set(rows.map((row) => row.id))),
    [all, rows],
  );
  return { ids, selected, all, select, toggleAll, clear };
}
