import { type MouseEvent, memo } from "react";
import { objectPath } from "../api/storage.ts";
import { IconButton } from "../components/button.tsx";
import { CopyButton } from "../components/copy-button.tsx";
import { Icon } from "../components/icon.tsx";
import { Link } from "../components/link.tsx";
import { Moment } from "../components/moment.tsx";
import { Name } from "../components/name.tsx";
import { formatBytes, visibleName } from "../format.ts";
import { formatRoute } from "../routes.ts";
import type { Row } from "./listing.ts";

export interface RowActions {
  /** Ticks one, or with `ranging` all from the one before. */
  select(id: string, ranging: boolean): void;
  open(row: Row): void;
  remove(row: Row): void;
}

interface ObjectRowProps extends RowActions {
  bucket: string;
  row: Row;
  selected: boolean;
  now: number;
}

/** One folder or object. Memoised: a folder of thousands must not redraw for one tick of a box. */
export const ObjectRow = memo(function ObjectRow(props: ObjectRowProps) {
  const { bucket, row, selected, now, select, open, remove } = props;
  const shown = row.name || (row.kind === "folder" ? "(no name)" : "(this folder)");
  const spoken = visibleName(shown);
  const object = row.kind === "object" ? row.object : undefined;
  /** With Ctrl, Command or Shift a click anywhere in the row is about the selection. Links keep their own meaning. */
  function pick(event: MouseEvent): void {
    if (!event.ctrlKey && !event.metaKey && !event.shiftKey) return;
    if (event.target instanceof Element && event.target.closest("a, label")) return;
    event.stopPropagation();
    select(row.id, event.shiftKey);
  }
  return (
    <tr
      className={selected ? "row row-selected" : "row"}
      onClickCapture={pick}
      // Shift would select text.
      onMouseDown={(event) => event.shiftKey && event.preventDefault()}
    >
      <td className="cell-select">
        <label className="checkbox">
          <input
            type="checkbox"
            checked={selected}
            onChange={({ nativeEvent }) =>
              select(row.id, nativeEvent instanceof PointerEvent && nativeEvent.shiftKey)
            }
          />
          <span className="visually-hidden">Select {spoken}</span>
        </label>
      </td>
      <th scope="row" className="cell-name">
        <span className={`row-icon row-icon-${row.kind}`}>
          <Icon name={row.kind === "folder" ? "folder" : "file"} />
        </span>
        {object ? (
          <button type="button" className="row-name" onClick={() => open(row)} title={spoken}>
            <Name>{shown}</Name>
          </button>
        ) : (
          <Link
            className="row-name"
            href={formatRoute({ page: "browser", bucket, prefix: row.id })}
            title={spoken}
          >
            <Name>{shown}</Name>
          </Link>
        )}
        {object && (
          <span className="row-meta">
            {formatBytes(object.size)} · <Moment at={object.modifiedAt} now={now} />
          </span>
        )}
      </th>
      <td className="cell-size">{object ? formatBytes(object.size) : <span aria-hidden="true">–</span>}</td>
      <td className="cell-modified">
        {object ? <Moment at={object.modifiedAt} now={now} /> : <span aria-hidden="true">–</span>}
      </td>
      <td className="cell-actions">
        {object && (
          <a
            className="icon-button"
            href={objectPath(bucket, row.id)}
            download
            aria-label={`Download ${spoken}`}
            title="Download"
          >
            <Icon name="download" />
          </a>
        )}
        <CopyButton className="wide-only" text={`s3://${bucket}/${row.id}`} what="S3 URI" />
        <IconButton
          className="wide-only icon-button-danger"
          icon="trash"
          label={`Delete ${spoken}`}
          onClick={() => remove(row)}
        />
      </td>
    </tr>
  );
});
