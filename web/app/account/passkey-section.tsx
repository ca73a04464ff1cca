import { useState } from "react";
import { account, type PasskeySummary } from "../api/account.ts";
import { Button, IconButton } from "../components/button.tsx";
import { Confirm } from "../components/confirm.tsx";
import { Field } from "../components/field.tsx";
import { FormModal } from "../components/form-modal.tsx";
import { Moment } from "../components/moment.tsx";
import { Name } from "../components/name.tsx";
import { Placeholder } from "../components/placeholder.tsx";
import { ResourceCard } from "../components/resource-card.tsx";
import { Section } from "../components/section.tsx";
import { NameCell, Table } from "../components/table.tsx";
import { useToasts } from "../components/toasts.tsx";
import { visibleName } from "../format.ts";
import { useNow } from "../hooks/use-now.ts";
import { useResource } from "../hooks/use-resource.ts";
import { hasPasskeys, makePasskey } from "../passkeys.ts";

type Asking = { to: "add" } | { to: "rename" | "delete"; passkey: PasskeySummary };

/** One's own passkeys: register, rename, delete. */
export function PasskeySection() {
  const { resource, reload } = useResource(account.passkeys);
  const [asking, setAsking] = useState<Asking>();
  const { toast } = useToasts();
  const close = () => setAsking(undefined);
  const done = (what: string) => {
    toast(what);
    reload();
  };
  return (
    <Section
      title="Passkeys"
      hint="Sign in with your finger, face or PIN. With a passkey, the password alone no longer signs you in."
      actions={
        hasPasskeys() && (
          <Button icon="plus" onClick={() => setAsking({ to: "add" })}>
            Add passkey
          </Button>
        )
      }
    >
      <ResourceCard resource={resource} reload={reload} what="passkeys" rows={2}>
        {({ passkeys }) =>
          passkeys.length > 0 ? (
            <PasskeyTable
              passkeys={passkeys}
              onRename={(passkey) => setAsking({ to: "rename", passkey })}
              onDelete={(passkey) => setAsking({ to: "delete", passkey })}
            />
          ) : (
            <Placeholder icon="lock" title="No passkeys">
              <p>
                {hasPasskeys()
                  ? "A passkey lives in your device, your password manager or a security key, and cannot be guessed or phished."
                  : "This browser offers no passkeys at this address. Open the dashboard by its https name."}
              </p>
            </Placeholder>
          )
        }
      </ResourceCard>
      {asking?.to === "add" && (
        <NameDialog
          title="Add passkey"
          action="Add passkey"
          onName={async (name) => {
            const { state, options } = await account.beginPasskey();
            await account.addPasskey(state, name, await makePasskey(options));
            done("Passkey added");
          }}
          onClose={close}
        />
      )}
      {asking?.to === "rename" && (
        <NameDialog
          title="Rename passkey"
          action="Rename"
          name={asking.passkey.name}
          onName={async (name) => {
            await account.renamePasskey(asking.passkey.id, name);
            done("Passkey renamed");
          }}
          onClose={close}
        />
      )}
      {asking?.to === "delete" && (
        <Confirm
          title="Delete passkey?"
          action="Delete passkey"
          onConfirm={async () => {
            await account.deletePasskey(asking.passkey.id);
            done("Passkey deleted");
          }}
          onClose={close}
        >
          <p>
            <Name>{asking.passkey.name}</Name> can no longer be used to sign in. The device itself goes on
            offering it until it is deleted there too.
          </p>
        </Confirm>
      )}
    </Section>
  );
}

interface NameDialogProps {
  title: string;
  action: string;
  name?: string;
  onName(name: string): Promise<void>;
  onClose(): void;
}

function NameDialog({ title, action, name: before = "", onName, onClose }: NameDialogProps) {
  const [name, setName] = useState(before);
  return (
    <FormModal
      title={title}
      action={action}
      problem={name.trim() === "" ? "Give it a name." : undefined}
      onSubmit={() => onName(name.trim())}
      onClose={onClose}
    >
      <Field label="Name" hint="So that you know it again: “laptop”, “blue key”.">
        <input
          name="passkey"
          autoComplete="off"
          maxLength={64}
          // biome-ignore lint/a11y/noAutofocus: the dialog asks for nothing else
          autoFocus
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
      </Field>
    </FormModal>
  );
}

interface PasskeyTableProps {
  passkeys: PasskeySummary[];
  onRename(passkey: PasskeySummary): void;
  onDelete(passkey: PasskeySummary): void;
}

function PasskeyTable({ passkeys, onRename, onDelete }: PasskeyTableProps) {
  const now = useNow();
  const lastUse = ({ lastUsedAt }: PasskeySummary) =>
    lastUsedAt === null ? "never used" : <Moment at={lastUsedAt} now={now} />;
  return (
    <Table
      className="pair-table"
      columns={[
        { title: "Name" },
        { title: "Last used", className: "cell-modified" },
        { title: "Added", className: "cell-modified" },
      ]}
    >
      {passkeys.map((passkey) => (
        <tr className="row" key={passkey.id}>
          <NameCell icon="lock" meta={lastUse(passkey)}>
            <span className="row-name">
              <Name>{passkey.name}</Name>
            </span>
            {passkey.backedUp && <span className="pill">Synced</span>}
          </NameCell>
          <td className="cell-modified">{lastUse(passkey)}</td>
          <td className="cell-modified">
            <Moment at={passkey.createdAt} now={now} />
          </td>
          <td className="cell-actions">
            <IconButton
              icon="pencil"
              label={`Rename ${visibleName(passkey.name)}`}
              onClick={() => onRename(passkey)}
            />
            <IconButton
              className="icon-button-danger"
              icon="trash"
              label={`Delete ${visibleName(passkey.name)}`}
              onClick={() => onDelete(passkey)}
            />
          </td>
        </tr>
      ))}
    </Table>
  );
}
