import { useCallback, useState } from "react";
import { type AccessKeySummary, auth, type NewAccessKey } from "../api/auth.ts";
import { messageOf } from "../api/http.ts";
import { Button, IconButton } from "../components/button.tsx";
import { Confirm } from "../components/confirm.tsx";
import { CopyButton } from "../components/copy-button.tsx";
import { Moment } from "../components/moment.tsx";
import { PageHeading } from "../components/page-heading.tsx";
import { Placeholder } from "../components/placeholder.tsx";
import { ResourceCard } from "../components/resource-card.tsx";
import { NameCell, Table } from "../components/table.tsx";
import { useToasts } from "../components/toasts.tsx";
import { useNow } from "../hooks/use-now.ts";
import { useResource } from "../hooks/use-resource.ts";
import { NewKeyDialog } from "../keys/new-key-dialog.tsx";

/** The S3 access keys of `user`, who is signed in: list, create, revoke. */
export function KeysPage({ user }: { user: string }) {
  const load = useCallback((signal: AbortSignal) => auth.listKeys(user, signal), [user]);
  const { resource, reload } = useResource(load);
  const [created, setCreated] = useState<NewAccessKey>();
  const [revoking, setRevoking] = useState<AccessKeySummary>();
  const [busy, setBusy] = useState(false);
  const { toast } = useToasts();

  async function create(): Promise<void> {
    setBusy(true);
    try {
      setCreated(await auth.createKey());
      reload();
    } catch (error) {
      toast(messageOf(error), "problem");
    }
    setBusy(false);
  }
  async function revoke(key: AccessKeySummary): Promise<void> {
    await auth.revokeKey(key.accessKeyId);
    toast("Access key revoked");
    reload();
  }

  return (
    <section className="page">
      <PageHeading title="Access keys" hint="S3 tools and SDKs sign their requests with one">
        <Button kind="primary" icon="plus" busy={busy} onClick={create}>
          Create access key
        </Button>
      </PageHeading>
      <ResourceCard resource={resource} reload={reload} what="access keys" rows={3}>
        {({ keys }) =>
          keys.length > 0 ? (
            <KeyTable keys={keys} onRevoke={setRevoking} />
          ) : (
            <Placeholder icon="key" title="No access keys">
              <p>
                Create one for each program that reads or writes your buckets; revoke it when the program
                goes.
              </p>
            </Placeholder>
          )
        }
      </ResourceCard>
      {created && <NewKeyDialog created={created} onClose={() => setCreated(undefined)} />}
      {revoking && (
        <Confirm
          title="Revoke access key?"
          action="Revoke key"
          onConfirm={() => revoke(revoking)}
          onClose={() => setRevoking(undefined)}
        >
          <p>
            Programs that sign with <code>{revoking.accessKeyId}</code> are refused from now on. This cannot
            be undone.
          </p>
        </Confirm>
      )}
    </section>
  );
}

function KeyTable({ keys, onRevoke }: { keys: AccessKeySummary[]; onRevoke(key: AccessKeySummary): void }) {
  const now = useNow();
  return (
    <Table
      className="key-table"
      columns={[{ title: "Access key ID" }, { title: "Created", className: "cell-modified" }]}
    >
      {keys.map((key) => (
        <tr className="row" key={key.accessKeyId}>
          <NameCell
            icon="key"
            meta={
              <>
                created <Moment at={key.createdAt} now={now} />
              </>
            }
          >
            <code className="row-name">{key.accessKeyId}</code>
            {key.disabled && <span className="pill pill-bad">Disabled</span>}
          </NameCell>
          <td className="cell-modified">
            <Moment at={key.createdAt} now={now} />
          </td>
          <td className="cell-actions">
            <CopyButton text={key.accessKeyId} what="access key ID" />
            <IconButton
              className="icon-button-danger"
              icon="trash"
              label={`Revoke ${key.accessKeyId}`}
              onClick={() => onRevoke(key)}
            />
          </td>
        </tr>
      ))}
    </Table>
  );
}
