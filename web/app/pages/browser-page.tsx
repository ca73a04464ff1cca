import { useCallback, useEffect, useMemo, useState } from "react";
import { ApiError } from "../api/http.ts";
import { Breadcrumbs } from "../browser/breadcrumbs.tsx";
import { DeleteDialog } from "../browser/delete-dialog.tsx";
import { EmptyFolder } from "../browser/empty-folder.tsx";
import { type Row, rowsOf } from "../browser/listing.ts";
import { ObjectDetails } from "../browser/object-details.tsx";
import { ObjectTable } from "../browser/object-table.tsx";
import { SelectionBar } from "../browser/selection-bar.tsx";
import { useDrop } from "../browser/use-drop.ts";
import { useListing } from "../browser/use-listing.ts";
import { useSelection } from "../browser/use-selection.ts";
import { useUploadInto } from "../browser/use-upload-into.ts";
import { Failure } from "../components/failure.tsx";
import { FilterBox } from "../components/filter-box.tsx";
import { Icon } from "../components/icon.tsx";
import { Name } from "../components/name.tsx";
import { PageHeading } from "../components/page-heading.tsx";
import { SkeletonRows } from "../components/skeleton.tsx";
import { useToasts } from "../components/toasts.tsx";
import { formatPlural, visibleName } from "../format.ts";
import { UploadButtons } from "../uploads/upload-buttons.tsx";
import { MissingPage } from "./missing-page.tsx";

type Open = { dialog: "details"; row: Row & { kind: "object" } } | { dialog: "delete"; rows: readonly Row[] };
const NO_ROWS: readonly Row[] = [];

/** One folder of a bucket: look, upload, download, delete. */
export function BrowserPage({ bucket, prefix }: { bucket: string; prefix: string }) {
  const [filter, setFilter] = useState("");
  const { state, loadMore, stored, removed, reload } = useListing(bucket, prefix, filter);
  const rows = useMemo(
    () => (state.state === "ready" ? rowsOf(state.listing, prefix) : NO_ROWS),
    [state, prefix],
  );
  const selection = useSelection(rows);
  const [open, setOpen] = useState<Open>();
  const { toast } = useToasts();
  const upload = useUploadInto(bucket, prefix, stored);
  const drop = useDrop(upload.drop);
  const name = prefix.split("/").at(-2) ?? bucket;

  const { clear } = selection;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another place starts anew
  useEffect(() => {
    setFilter("");
    clear();
  }, [bucket, prefix]);

  const show = useCallback((row: Row) => row.kind === "object" && setOpen({ dialog: "details", row }), []);
  const remove = useCallback((row: Row) => setOpen({ dialog: "delete", rows: [row] }), []);

  function deleted(gone: readonly Row[]): void {
    removed(new Set(gone.map((row) => row.id)));
    clear();
    toast(gone.length === 1 ? "Deleted" : `${formatPlural(gone.length, "item")} deleted`);
  }

  if (state.state === "failed" && state.error instanceof ApiError && state.error.status === 404) {
    return <MissingPage what={`There is no bucket named “${visibleName(bucket)}”, or it is not yours.`} />;
  }
  return (
    <section className="page browser" {...drop.handlers} aria-label={`Bucket ${bucket}`}>
      <Breadcrumbs bucket={bucket} prefix={prefix} />
      <PageHeading title={name === "" ? "(no name)" : name} untrusted>
        <UploadButtons onChosen={upload.add} />
      </PageHeading>
      <div className="toolbar">
        <FilterBox key={prefix} label="Filter by beginning of name" onFilter={setFilter} />
        {selection.selected.length > 0 && (
          <SelectionBar
            count={selection.selected.length}
            onDelete={() => setOpen({ dialog: "delete", rows: selection.selected })}
            onClear={clear}
          />
        )}
      </div>
      <div className="card">
        {state.state === "loading" && <SkeletonRows label="Loading objects" />}
        {state.state === "failed" && (
          <Failure what="This folder could not be listed" error={state.error} onRetry={reload} />
        )}
        {state.state === "ready" && rows.length === 0 && filter !== "" && (
          <div className="placeholder">
            <h2>No match</h2>
            <p>
              No name here begins with “<Name>{filter}</Name>”. Upper and lower case differ.
            </p>
          </div>
        )}
        {state.state === "ready" && rows.length === 0 && filter === "" && (
          <EmptyFolder bucket={bucket} prefix={prefix} />
        )}
        {state.state === "ready" && rows.length > 0 && (
          <ObjectTable
            bucket={bucket}
            rows={rows}
            selected={selection.ids}
            all={selection.all}
            select={selection.select}
            toggleAll={selection.toggleAll}
            open={show}
            remove={remove}
            more={state.listing.next === undefined ? undefined : state.more}
            loadMore={loadMore}
          />
        )}
      </div>
      {drop.hovering && (
        <div className="drop-hint">
          <div className="drop-hint-box">
            <Icon name="upload" size={36} />
            <strong>Drop to upload</strong>
            <Name>{`${bucket}/${prefix}`}</Name>
          </div>
        </div>
      )}
      {open?.dialog === "details" && (
        <ObjectDetails
          bucket={bucket}
          object={open.row.object}
          onDelete={() => remove(open.row)}
          onClose={() => setOpen(undefined)}
        />
      )}
      {open?.dialog === "delete" && (
        <DeleteDialog
          bucket={bucket}
          rows={open.rows}
          onDeleted={deleted}
          onFailed={reload}
          onClose={() => setOpen(undefined)}
        />
      )}
    </section>
  );
}
