import { useCallback, useState } from "react";
import { type ApiToken, account, type NewApiToken } from "../api/account.ts";
import type { User } from "../api/auth.ts";
import { Button, IconButton } from "../components/button.tsx";
import { Confirm } from "../components/confirm.tsx";
import { Moment } from "../components/moment.tsx";
import { Name } from "../components/name.tsx";
import { Placeholder } from "../components/placeholder.tsx";
import { ResourceCard } from "../components/resource-card.tsx";
import { SecretDialog } from "../components/secret-dialog.tsx";
import { Section } from "../components/section.tsx";
import { NameCell, Table } from "../components/table.tsx";
import { useToasts } from "../components/toasts.tsx";
import { formatMoment, visibleName } from "../format.ts";
import { useNow } from "../hooks/use-now.ts";
import { useResource } from "../hooks/use-resource.ts";
import { CreateTokenDialog } from "./create-token-dialog.tsx";
import { scopeShown } from "./scopes.ts";

/** One's own API tokens: list, create, revoke. */
export function TokenSection({ user }: { user: User }) {
  const load = useCallback((signal: AbortSignal) => account.tokens(user.name, signal), [user.name]);
  const { resource, reload } = useResource(load);
  const [creating, setCreating] = useState(false);
  const [created, setCreated] = useState<NewApiToken>();
  const [revoking, setRevoking] = useState<ApiToken>();
  const { toast } = useToasts();
  return (
    <Section
      title="API tokens"
      hint="Programs send one as “Authorization: Bearer …”. A token can do at most what you can."
      actions={
        resource.state === "ready" && (
          <Button kind="primary" icon="plus" onClick={() => setCreating(true)}>
            Create token
          </Button>
        )
      }
    >
      <ResourceCard resource={resource} reload={reload} what="API tokens" rows={3}>
        {({ tokens }) =>
          tokens.length > 0 ? (
            <TokenTable user={user} tokens={tokens} onRevoke={setRevoking} />
          ) : (
            <Placeholder icon="key" title="No API tokens">
              <p>Create one for each program, with no more scopes than it needs.</p>
            </Placeholder>
          )
        }
      </ResourceCard>
      {creating && (
        <CreateTokenDialog
          user={user}
          onCreated={(token) => {
            setCreated(token);
            reload();
          }}
          onClose={() => setCreating(false)}
        />
      )}
      {created && (
        <SecretDialog
          title="API token created"
          notice="Save the token now: it is shown only this once."
          facts={[
            { name: "Name", value: created.name, copy: false },
            { name: "Token", value: created.token },
            { name: "Valid until", value: formatMoment(created.expiresAt), copy: false },
          ]}
          onClose={() => setCreated(undefined)}
        />
      )}
      {revoking && (
        <Confirm
          title="Revoke API token?"
          action="Revoke token"
          onConfirm={async () => {
            await account.revokeToken(revoking.id);
            toast("API token revoked");
            reload();
          }}
          onClose={() => setRevoking(undefined)}
        >
          <p>
            Programs that send <Name>{revoking.name}</Name> are refused from now on, and so are the tokens,
            keys and service accounts that were made with it.
          </p>
        </Confirm>
      )}
    </Section>
  );
}

interface TokenTableProps {
  user: User;
  tokens: ApiToken[];
  onRevoke(token: ApiToken): void;
}

function TokenTable({ user, tokens, onRevoke }: TokenTableProps) {
  const now = useNow();
  return (
    <Table
      className="token-table"
      columns={[
        { title: "Name and scopes" },
        { title: "Last used", className: "cell-modified" },
        { title: "Expires", className: "cell-modified" },
      ]}
    >
      {tokens.map((token) => {
        const over = token.expiresAt <= now;
        const expires = over ? "expired" : <Moment at={token.expiresAt} now={now} />;
        return (
          <tr className="row" key={token.id}>
            <NameCell icon="key" meta={<>expires {expires}</>}>
              <span className="row-name">
                <Name>{token.name}</Name>
                {Object.entries(token.scopes).map(([scope, verbs]) => (
                  <span className="cell-note breakable" key={scope}>
                    {scopeShown(scope, user)}: {verbs.join(", ")}
                  </span>
                ))}
              </span>
              {over && <span className="pill pill-bad">Expired</span>}
            </NameCell>
            <td className="cell-modified">
              {token.lastUsedAt === null ? "never" : <Moment at={token.lastUsedAt} now={now} />}
            </td>
            <td className="cell-modified">{expires}</td>
            <td className="cell-actions">
              <IconButton
                className="icon-button-danger"
                icon="trash"
                label={`Revoke ${visibleName(token.name)}`}
                onClick={() => onRevoke(token)}
              />
            </td>
          </tr>
        );
      })}
    </Table>
  );
}
