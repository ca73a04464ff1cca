import { useEffect, useRef } from "react";
import { Button } from "../components/button.tsx";
import { Table } from "../components/table.tsx";
import { useNow } from "../hooks/use-now.ts";
import type { Row } from "./listing.ts";
import { ObjectRow, type RowActions } from "./object-row.tsx";

interface ObjectTableProps extends RowActions {
  bucket: string;
  rows: readonly Row[];
  selected: ReadonlySet<string>;
  all: boolean;
  toggleAll(): void;
  /** Undefined when everything is loaded. */
  more: "idle" | "loading" | "failed" | undefined;
  loadMore(): void;
}

export function ObjectTable(props: ObjectTableProps) {
  const { bucket, rows, selected, all, toggleAll, more, loadMore, ...actions } = props;
  const now = useNow();
  return (
    <>
      <Table
        className="object-table"
        lead={
          <td className="cell-select">
            <label className="checkbox">
              <input
                type="checkbox"
                checked={all}
                ref={(box) => {
                  if (box) box.indeterminate = !all && selected.size > 0;
                }}
                onChange={toggleAll}
              />
              <span className="visually-hidden">Select all</span>
            </label>
          </td>
        }
        columns={[
          { title: "Name" },
          { title: "Size", className: "cell-size" },
          { title: "Modified", className: "cell-modified" },
        ]}
      >
        {rows.map((row) => (
          <ObjectRow
            key={row.id}
            bucket={bucket}
            row={row}
            selected={selected.has(row.id)}
            now={now}
            {...actions}
          />
        ))}
      </Table>
      {more && <MoreRows more={more} loadMore={loadMore} />}
    </>
  );
}

/** Loads the next page when it is scrolled near, or by its button; rows above it stay where they are. */
function MoreRows({ more, loadMore }: { more: "idle" | "loading" | "failed"; loadMore(): void }) {
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // After a failure only the button asks again, or a broken server would be asked without end.
    if (more !== "idle") return;
    const observer = new IntersectionObserver(
      (entries) => entries.some((one) => one.isIntersecting) && loadMore(),
      {
        rootMargin: "400px",
      },
    );
    observer.observe(end.current!);
    return () => observer.disconnect();
  }, [more, loadMore]);
  return (
    <div className="more" ref={end}>
      {more === "failed" && <p role="alert">The next rows could not be loaded.</p>}
      <Button busy={more === "loading"} onClick={loadMore}>
        {more === "failed" ? "Try again" : more === "loading" ? "Loading…" : "Load more"}
      </Button>
    </div>
  );
}
