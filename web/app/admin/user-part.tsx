import { useCallback, useState } from "react";
import type { User } from "../api/auth.ts";
import { directory, type PasswordReset, type UserWithAccess } from "../api/directory.ts";
import { Button } from "../components/button.tsx";
import { Confirm } from "../components/confirm.tsx";
import { Link } from "../components/link.tsx";
import { ProblemNotice } from "../components/problem-notice.tsx";
import { ResourceCard } from "../components/resource-card.tsx";
import { SecretDialog } from "../components/secret-dialog.tsx";
import { Section } from "../components/section.tsx";
import { useToasts } from "../components/toasts.tsx";
import { formatMoment, formatPlural } from "../format.ts";
import { useResource } from "../hooks/use-resource.ts";
import { useTask } from "../hooks/use-task.ts";
import { navigate } from "../navigation.ts";
import { formatRoute } from "../routes.ts";
import { ChipList } from "./chip-list.tsx";
import { RemoveUserDialog } from "./remove-user-dialog.tsx";
import { useNames } from "./use-names.ts";

/** One user, as administrators see one. */
export function UserPart({ me, name }: { me: User; name: string }) {
  const load = useCallback((signal: AbortSignal) => directory.user(name, signal), [name]);
  const { resource, reload } = useResource(load);
  return (
    <>
      <Section
        title={name}
        actions={resource.state === "ready" && <UserActions me={me} user={resource.value} reload={reload} />}
      >
        <ResourceCard resource={resource} reload={reload} what="user" rows={3}>
          {(user) => <UserFacts user={user} />}
        </ResourceCard>
      </Section>
      {resource.state === "ready" && <UserAccess user={resource.value} reload={reload} />}
    </>
  );
}

function UserFacts({ user }: { user: UserWithAccess }) {
  return (
    <dl className="facts card-facts">
      <dt>State</dt>
      <dd>
        <span className={user.disabled ? "pill pill-bad" : "pill pill-good"}>
          {user.disabled ? "Disabled" : "Enabled"}
        </span>
      </dd>
      <dt>User ID</dt>
      <dd>
        <code>{user.id}</code>
      </dd>
      <dt>Created</dt>
      <dd>{formatMoment(user.createdAt)}</dd>
      {user.boundary !== null && (
        <>
          <dt>At most</dt>
          <dd>{user.boundary}</dd>
        </>
      )}
    </dl>
  );
}

function UserAccess({ user: { name, roles, groups }, reload }: { user: UserWithAccess; reload(): void }) {
  const { roleNames, groupNames } = useNames();
  const after = (work: Promise<void>) => work.then(reload);
  return (
    <>
      <Section title="Roles" hint="What the user may do, beside what the groups give.">
        <ChipList
          noun="role"
          names={roles}
          choices={roleNames}
          hrefOf={(role) => formatRoute({ page: "admin", part: "roles", name: role })}
          onAdd={(role) => after(directory.attachRole("users", name, role))}
          onRemove={(role) => after(directory.detachRole("users", name, role))}
        />
      </Section>
      <Section title="Groups" hint="Their members share roles.">
        <ChipList
          noun="group"
          names={groups}
          none={
            groupNames?.length === 0 && (
              <>
                There are no groups yet.{" "}
                <Link href={formatRoute({ page: "admin", part: "groups" })}>Create the first</Link>
              </>
            )
          }
          choices={groupNames}
          hrefOf={(group) => formatRoute({ page: "admin", part: "groups", name: group })}
          onAdd={(group) => after(directory.addMember(group, name))}
          onRemove={(group) => after(directory.removeMember(group, name))}
        />
      </Section>
    </>
  );
}

interface UserActionsProps {
  me: User;
  user: UserWithAccess;
  reload(): void;
}

function UserActions({ me, user: { id, name, disabled }, reload }: UserActionsProps) {
  const [asking, setAsking] = useState<"reset" | "passkeys" | "disable" | "remove">();
  const [reset, setReset] = useState<PasswordReset>();
  const { busy, error, run } = useTask();
  const { toast } = useToasts();
  const close = () => setAsking(undefined);
  async function setDisabled(value: boolean): Promise<void> {
    await directory.setDisabled(name, value);
    toast(`${name} ${value ? "disabled" : "enabled"}`);
    reload();
  }
  return (
    <>
      <Button onClick={() => setAsking("reset")}>Password link</Button>
      <Button onClick={() => setAsking("passkeys")}>Remove passkeys</Button>
      {disabled ? (
        <Button busy={busy} onClick={() => run(() => setDisabled(false))}>
          Enable
        </Button>
      ) : (
        id !== me.userId && <Button onClick={() => setAsking("disable")}>Disable</Button>
      )}
      {id !== me.userId && (
        <Button kind="danger" onClick={() => setAsking("remove")}>
          Remove
        </Button>
      )}
      {error !== undefined && <ProblemNotice error={error} />}
      {asking === "reset" && (
        <Confirm
          title="Make a link for a new password?"
          action="Make the link"
          kind="primary"
          onConfirm={async () => setReset(await directory.resetPassword(name))}
          onClose={close}
        >
          <p>
            Whoever has the link can set the password of {name}. It replaces a link that was made before. The
            present password works until then.
          </p>
        </Confirm>
      )}
      {asking === "passkeys" && (
        <Confirm
          title="Remove all passkeys?"
          action="Remove passkeys"
          onConfirm={async () => {
            const { removed } = await directory.removePasskeys(name);
            toast(`${formatPlural(removed, "passkey")} removed`);
          }}
          onClose={close}
        >
          <p>For somebody who has lost them: then {name} signs in with the password alone.</p>
        </Confirm>
      )}
      {asking === "disable" && (
        <Confirm
          title={`Disable ${name}?`}
          action="Disable user"
          onConfirm={() => setDisabled(true)}
          onClose={close}
        >
          <p>The user’s sessions end, and keys and tokens are refused, until you enable the user again.</p>
        </Confirm>
      )}
      {asking === "remove" && (
        <RemoveUserDialog
          name={name}
          onRemoved={() => {
            toast(`User ${name} removed`);
            navigate(formatRoute({ page: "admin", part: "users" }));
          }}
          onClose={close}
        />
      )}
      {reset && (
        <SecretDialog
          title="Link for a new password"
          notice={`Save the link now and hand it to ${name} safely: it is shown only this once.`}
          facts={[
            {
              name: "Link",
              value: `${location.origin}${formatRoute({ page: "password-reset" })}#${reset.token}`,
            },
            { name: "Valid until", value: formatMoment(reset.expiresAt), copy: false },
          ]}
          onClose={() => setReset(undefined)}
        />
      )}
    </>
  );
}
