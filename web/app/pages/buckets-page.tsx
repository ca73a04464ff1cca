import { useState } from "react";
import { type BucketInfo, storage } from "../api/storage.ts";
import { CreateBucketDialog } from "../buckets/create-bucket-dialog.tsx";
import { DeleteBucketDialog } from "../buckets/delete-bucket-dialog.tsx";
import { Button, IconButton } from "../components/button.tsx";
import { Command } from "../components/command.tsx";
import { Link } from "../components/link.tsx";
import { Moment } from "../components/moment.tsx";
import { Notice } from "../components/notice.tsx";
import { PageHeading } from "../components/page-heading.tsx";
import { Placeholder } from "../components/placeholder.tsx";
import { ResourceCard } from "../components/resource-card.tsx";
import { NameCell, Table } from "../components/table.tsx";
import { useToasts } from "../components/toasts.tsx";
import { formatPlural } from "../format.ts";
import { useNow } from "../hooks/use-now.ts";
import { useResource } from "../hooks/use-resource.ts";
import { navigate } from "../navigation.ts";
import { formatRoute } from "../routes.ts";
import { S3_ENDPOINT_HINT, s3Endpoint } from "../s3-endpoint.ts";

export function BucketsPage() {
  const { resource, reload } = useResource(storage.listBuckets);
  const [creating, setCreating] = useState(false);
  const [deleting, setDeleting] = useState<BucketInfo>();
  const { toast } = useToasts();
  const buckets = resource.state === "ready" ? resource.value.buckets : [];
  return (
    <section className="page">
      <PageHeading
        title="Buckets"
        hint={buckets.length > 0 ? formatPlural(buckets.length, "bucket") : "Where your objects live"}
      >
        <Button kind="primary" icon="plus" onClick={() => setCreating(true)}>
          Create bucket
        </Button>
      </PageHeading>
      <ResourceCard resource={resource} reload={reload} what="buckets">
        {({ buckets, truncated }) => (
          <>
            {truncated && (
              <Notice kind="info">Only the first {formatPlural(buckets.length, "bucket")} are shown.</Notice>
            )}
            {buckets.length > 0 ? <BucketTable buckets={buckets} onDelete={setDeleting} /> : <NoBuckets />}
          </>
        )}
      </ResourceCard>
      {creating && (
        <CreateBucketDialog
          onCreated={(name) => {
            toast(`Bucket ${name} created`);
            navigate(formatRoute({ page: "browser", bucket: name, prefix: "" }));
          }}
          onClose={() => setCreating(false)}
        />
      )}
      {deleting && (
        <DeleteBucketDialog
          name={deleting.name}
          onDeleted={() => {
            toast(`Bucket ${deleting.name} deleted`);
            reload();
          }}
          onClose={() => setDeleting(undefined)}
        />
      )}
    </section>
  );
}

function NoBuckets() {
  return (
    <Placeholder icon="bucket" title="No buckets yet">
      <p>A bucket holds objects, as a drive holds files. Create the first one above, or from a shell:</p>
      <div className="commands">
        <Command label="AWS CLI" text={`aws --endpoint-url ${s3Endpoint()} s3 mb s3://my-bucket`} />
      </div>
      <p className="small">
        {S3_ENDPOINT_HINT} S3 tools sign in with an access key: <Link href="/keys">create one</Link>.
      </p>
    </Placeholder>
  );
}

function BucketTable({ buckets, onDelete }: { buckets: BucketInfo[]; onDelete(bucket: BucketInfo): void }) {
  const now = useNow();
  return (
    <Table
      className="bucket-table"
      columns={[{ title: "Name" }, { title: "Created", className: "cell-modified" }]}
    >
      {buckets.map((bucket) => (
        <tr className="row" key={bucket.name}>
          <NameCell
            icon="bucket"
            folder
            meta={
              <>
                created <Moment at={bucket.createdAt} now={now} />
              </>
            }
          >
            <Link
              className="row-name"
              href={formatRoute({ page: "browser", bucket: bucket.name, prefix: "" })}
            >
              {bucket.name}
            </Link>
          </NameCell>
          <td className="cell-modified">
            <Moment at={bucket.createdAt} now={now} />
          </td>
          <td className="cell-actions">
            <IconButton
              className="icon-button-danger"
              icon="trash"
              label={`Delete bucket ${bucket.name}`}
              onClick={() => onDelete(bucket)}
            />
          </td>
        </tr>
      ))}
    </Table>
  );
}
