import { useState } from "react";
import { Confirm } from "../components/confirm.tsx";
import { Name } from "../components/name.tsx";
import { formatPlural } from "../format.ts";
import { deleteRows } from "./delete-rows.ts";
import type { Row } from "./listing.ts";

interface DeleteDialogProps {
  bucket: string;
  rows: readonly Row[];
  onDeleted(rows: readonly Row[]): void;
  /** Something may be gone although it failed half-way: the listing must be read again. */
  onFailed(): void;
  onClose(): void;
}

/** Names shown before "and N more". */
const NAMES_SHOWN = 5;

export function DeleteDialog({ bucket, rows, onDeleted, onFailed, onClose }: DeleteDialogProps) {
  const [deleted, setDeleted] = useState(0);
  const folders = rows.filter((row) => row.kind === "folder").length;
  const objects = rows.length - folders;
  const what = [
    objects > 0 && formatPlural(objects, "object"),
    folders > 0 && formatPlural(folders, "folder"),
  ]
    .filter(Boolean)
    .join(" and ");

  async function run(signal: AbortSignal): Promise<void> {
    try {
      await deleteRows(bucket, rows, setDeleted, signal);
    } catch (error) {
      onFailed();
      throw error;
    }
    onDeleted(rows);
  }

  return (
    <Confirm title={`Delete ${what}?`} action={`Delete ${what}`} onConfirm={run} onClose={onClose}>
      <ul className="name-list">
        {rows.slice(0, NAMES_SHOWN).map((row) => (
          <li key={row.id}>
            <Name>{row.kind === "folder" ? `${row.name}/` : row.name || row.id}</Name>
          </li>
        ))}
        {rows.length > NAMES_SHOWN && <li className="muted">and {rows.length - NAMES_SHOWN} more</li>}
      </ul>
      <p>
        {folders > 0 && "Everything inside the folders is deleted too. "}
        This cannot be undone.
      </p>
      {deleted > 0 && <p role="status">{formatPlural(deleted, "object")} deleted…</p>}
    </Confirm>
  );
}
