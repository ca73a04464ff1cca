import { useCallback, useState } from "react";
import { account, type LinkedIdentity } from "../api/account.ts";
import { auth } from "../api/auth.ts";
import { Button, IconButton } from "../components/button.tsx";
import { Confirm } from "../components/confirm.tsx";
import { Moment } from "../components/moment.tsx";
import { Name } from "../components/name.tsx";
import { Placeholder } from "../components/placeholder.tsx";
import { ProblemNotice } from "../components/problem-notice.tsx";
import { ResourceCard } from "../components/resource-card.tsx";
import { Section } from "../components/section.tsx";
import { NameCell, Table } from "../components/table.tsx";
import { useToasts } from "../components/toasts.tsx";
import { visibleName } from "../format.ts";
import { useNow } from "../hooks/use-now.ts";
import { useResource } from "../hooks/use-resource.ts";
import { useTask } from "../hooks/use-task.ts";

async function load(signal: AbortSignal) {
  const [{ providers }, { identities }] = await Promise.all([
    auth.methods(signal),
    account.identities(signal),
  ]);
  return { providers, identities };
}

/** Accounts elsewhere that one may sign in with. Nothing is shown where no provider is set up. */
export function LinkedAccounts() {
  const { resource, reload } = useResource(useCallback(load, []));
  const [unlinking, setUnlinking] = useState<LinkedIdentity>();
  const { toast } = useToasts();
  const { busy, error, run } = useTask();
  const now = useNow();
  if (resource.state === "ready") {
    const { providers, identities } = resource.value;
    if (providers.length === 0 && identities.length === 0) return null;
  }
  const providers = resource.state === "ready" ? resource.value.providers : [];
  return (
    <Section
      title="Linked accounts"
      hint="Accounts elsewhere that you may sign in with."
      actions={providers.map(({ id, name }) => (
        <Button
          key={id}
          icon="link"
          busy={busy}
          onClick={() =>
            run(async () => {
              const { url } = await account.linkIdentity(id);
              location.assign(url);
            })
          }
        >
          Link {name}
        </Button>
      ))}
    >
      {error !== undefined && <ProblemNotice error={error} />}
      <ResourceCard resource={resource} reload={reload} what="linked accounts" rows={1}>
        {({ identities }) =>
          identities.length > 0 ? (
            <Table
              className="bucket-table"
              columns={[{ title: "Account" }, { title: "Linked", className: "cell-modified" }]}
            >
              {identities.map((identity) => (
                <tr className="row" key={identity.id}>
                  <NameCell
                    icon="link"
                    meta={
                      <>
                        linked <Moment at={identity.createdAt} now={now} />
                      </>
                    }
                  >
                    <span className="row-name">
                      <Name>{`${identity.subject} at ${identity.issuer}`}</Name>
                    </span>
                  </NameCell>
                  <td className="cell-modified">
                    <Moment at={identity.createdAt} now={now} />
                  </td>
                  <td className="cell-actions">
                    <IconButton
                      className="icon-button-danger"
                      icon="trash"
                      label={`Unlink ${visibleName(identity.subject)}`}
                      onClick={() => setUnlinking(identity)}
                    />
                  </td>
                </tr>
              ))}
            </Table>
          ) : (
            <Placeholder icon="link" title="No linked accounts">
              <p>Link one, and it signs you in here.</p>
            </Placeholder>
          )
        }
      </ResourceCard>
      {unlinking && (
        <Confirm
          title="Unlink account?"
          action="Unlink account"
          onConfirm={async () => {
            await account.unlinkIdentity(unlinking.id);
            toast("Account unlinked");
            reload();
          }}
          onClose={() => setUnlinking(undefined)}
        >
          <p>
            <Name>{`${unlinking.subject} at ${unlinking.issuer}`}</Name> signs in here no longer.
          </p>
        </Confirm>
      )}
    </Section>
  );
}
