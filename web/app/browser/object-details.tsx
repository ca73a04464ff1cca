import { type ObjectInfo, objectPath } from "../api/storage.ts";
import { Button } from "../components/button.tsx";
import { CopyButton } from "../components/copy-button.tsx";
import { Icon } from "../components/icon.tsx";
import { Modal } from "../components/modal.tsx";
import { Name } from "../components/name.tsx";
import { formatBytes, formatCount, formatMoment } from "../format.ts";

interface ObjectDetailsProps {
  bucket: string;
  object: ObjectInfo;
  onDelete(): void;
  onClose(): void;
}

export function ObjectDetails({ bucket, object, onDelete, onClose }: ObjectDetailsProps) {
  const uri = `s3://${bucket}/${object.key}`;
  return (
    <Modal
      title="Object"
      onClose={onClose}
      footer={
        <>
          <Button kind="danger" icon="trash" onClick={onDelete}>
            Delete
          </Button>
          <a className="button button-primary" href={objectPath(bucket, object.key)} download>
            <Icon name="download" size={18} />
            <span>Download</span>
          </a>
        </>
      }
    >
      <dl className="facts">
        <dt>Key</dt>
        <dd>
          <Name>{object.key}</Name>
        </dd>
        <dt>Size</dt>
        <dd>
          {formatBytes(object.size)}
          {object.size >= 1024 && <span className="muted"> ({formatCount(object.size)} bytes)</span>}
        </dd>
        <dt>Modified</dt>
        <dd>
          <time dateTime={new Date(object.modifiedAt).toISOString()}>{formatMoment(object.modifiedAt)}</time>
        </dd>
        <dt>ETag</dt>
        <dd>
          <code>{object.etag}</code>
        </dd>
        <dt>S3 URI</dt>
        <dd className="fact-copy">
          <code>
            <Name>{uri}</Name>
          </code>
          <CopyButton text={uri} what="S3 URI" />
        </dd>
      </dl>
    </Modal>
  );
}
