import { IconButton } from "../components/button.tsx";
import { Icon, type IconName } from "../components/icon.tsx";
import { Name } from "../components/name.tsx";
import { formatBytes, visibleName } from "../format.ts";
import type { Upload, UploadState } from "./queue.ts";

const ICONS: Record<UploadState, IconName> = {
  waiting: "file",
  sending: "upload",
  done: "check",
  failed: "alert",
  cancelled: "close",
};

function stateText(upload: Upload): string {
  const size = formatBytes(upload.file.size);
  switch (upload.state) {
    case "waiting":
      return `${size} · waiting`;
    case "sending": {
      if (upload.sentBytes >= upload.file.size) return `Storing ${size}…`;
      const speed = upload.bytesPerSecond > 0 ? ` · ${formatBytes(upload.bytesPerSecond)}/s` : "";
      return `${formatBytes(upload.sentBytes)} of ${size}${speed}`;
    }
    case "done":
      return size;
    case "failed":
      return upload.error ?? "It failed.";
    case "cancelled":
      return "Cancelled";
  }
}

interface UploadRowProps {
  upload: Upload;
  onCancel(): void;
  onRetry(): void;
}

export function UploadRow({ upload, onCancel, onRetry }: UploadRowProps) {
  const name = visibleName(upload.key);
  const size = upload.file.size;
  return (
    <li className={`upload upload-${upload.state}`}>
      <Icon name={ICONS[upload.state]} size={18} />
      <div className="upload-text">
        <span className="upload-name" title={name}>
          <Name>{upload.key}</Name>
        </span>
        {upload.state === "sending" && (
          <progress
            aria-label={`Upload of ${name}`}
            max={Math.max(1, size)}
            value={size === 0 ? 1 : upload.sentBytes}
          />
        )}
        <span className="upload-state">{stateText(upload)}</span>
      </div>
      {(upload.state === "waiting" || upload.state === "sending") && (
        <IconButton icon="close" label={`Cancel the upload of ${name}`} onClick={onCancel} />
      )}
      {(upload.state === "failed" || upload.state === "cancelled") && (
        <IconButton icon="retry" label={`Retry the upload of ${name}`} onClick={onRetry} />
      )}
    </li>
  );
}
