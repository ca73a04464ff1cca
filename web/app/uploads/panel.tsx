import { useState } from "react";
import { Button, IconButton } from "../components/button.tsx";
import { formatBytes, formatCount, formatPlural } from "../format.ts";
import { useUploadQueue, useUploads } from "./context.tsx";
import { isPending, type Upload, type UploadState } from "./queue.ts";
import { UploadRow } from "./upload-row.tsx";

/** More rows than this help nobody and cost layout at every progress event. */
const ROWS_SHOWN = 60;
const ORDER: Record<UploadState, number> = { sending: 0, failed: 1, waiting: 2, cancelled: 3, done: 4 };

function headline(uploads: readonly Upload[]): string {
  const count = (state: UploadState) => uploads.filter((upload) => upload.state === state).length;
  const pending = uploads.filter(isPending).length;
  const failed = count("failed");
  if (pending > 0) {
    const speed = uploads.reduce((sum, upload) => sum + upload.bytesPerSecond, 0);
    const parts = [`Uploading ${formatPlural(pending, "file")}`];
    if (failed > 0) parts.push(`${formatCount(failed)} failed`);
    else if (speed > 0) parts.push(`${formatBytes(speed)}/s`);
    return parts.join(" · ");
  }
  if (failed > 0) return `${formatPlural(failed, "upload")} failed`;
  return count("done") > 0 ? `${formatPlural(count("done"), "file")} uploaded` : "Uploads cancelled";
}

/** What is sent and what became of it, above every page. */
export function UploadPanel() {
  const uploads = useUploads();
  const queue = useUploadQueue();
  // On a phone the list would cover half of what one works with.
  const [open, setOpen] = useState(() => matchMedia("(min-width: 48rem)").matches);
  if (uploads.length === 0) return null;
  const pending = uploads.filter(isPending);
  const failed = uploads.filter((upload) => upload.state === "failed").length;
  const shown = [...uploads]
    .sort((a, b) => ORDER[a.state] - ORDER[b.state] || a.id - b.id)
    .slice(0, ROWS_SHOWN);
  return (
    <section className="upload-panel" aria-label="Uploads">
      <header className="upload-header">
        <h2 aria-live="off">{headline(uploads)}</h2>
        <IconButton
          icon={open ? "down" : "up"}
          label={open ? "Hide the list of uploads" : "Show the list of uploads"}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        />
        {pending.length === 0 && (
          <IconButton icon="close" label="Close the uploads" onClick={() => queue.clearFinished()} />
        )}
      </header>
      <Totals uploads={uploads} />
      {open && (
        <ul className="upload-list">
          {shown.map((upload) => (
            <UploadRow
              key={upload.id}
              upload={upload}
              onCancel={() => queue.cancel(upload.id)}
              onRetry={() => queue.retry(upload.id)}
            />
          ))}
          {uploads.length > shown.length && (
            <li className="upload-rest">and {formatCount(uploads.length - shown.length)} more</li>
          )}
        </ul>
      )}
      {open && (pending.length > 1 || failed > 1) && (
        <footer className="upload-footer">
          {failed > 1 && (
            <Button kind="quiet" onClick={() => queue.retryFailed()}>
              Retry failed
            </Button>
          )}
          {pending.length > 1 && (
            <Button kind="quiet" onClick={() => queue.cancelAll()}>
              Cancel all
            </Button>
          )}
        </footer>
      )}
    </section>
  );
}

function Totals({ uploads }: { uploads: readonly Upload[] }) {
  const counted = uploads.filter((upload) => isPending(upload) || upload.state === "done");
  if (!counted.some(isPending)) return null;
  const sizeOf = (upload: Upload) => Math.max(1, upload.file.size);
  const total = counted.reduce((sum, upload) => sum + sizeOf(upload), 0);
  const sent = counted.reduce(
    (sum, upload) => sum + (upload.state === "done" ? sizeOf(upload) : upload.sentBytes),
    0,
  );
  return (
    <progress className="upload-total" aria-label="All uploads" max={total} value={Math.min(sent, total)} />
  );
}
