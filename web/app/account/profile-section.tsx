import { useCallback, useState } from "react";
import { account } from "../api/account.ts";
import type { User } from "../api/auth.ts";
import { Button } from "../components/button.tsx";
import { Field } from "../components/field.tsx";
import { FormModal } from "../components/form-modal.tsx";
import { NewPasswordFields, NO_PASSWORD, newPasswordProblem } from "../components/new-password-fields.tsx";
import { ResourceCard } from "../components/resource-card.tsx";
import { Section } from "../components/section.tsx";
import { formatMoment } from "../format.ts";
import { useResource } from "../hooks/use-resource.ts";
import { useSession } from "../session.tsx";

export function ProfileSection({ user }: { user: User }) {
  const load = useCallback((signal: AbortSignal) => account.profile(user.name, signal), [user.name]);
  const { resource, reload } = useResource(load);
  const [changing, setChanging] = useState(false);
  return (
    <Section title="Profile" actions={<Button onClick={() => setChanging(true)}>Change password</Button>}>
      <ResourceCard resource={resource} reload={reload} what="profile" rows={2}>
        {({ name, id, roles, groups, boundary, createdAt }) => (
          <dl className="facts card-facts">
            <dt>User name</dt>
            <dd>{name}</dd>
            <dt>User ID</dt>
            <dd>
              <code>{id}</code>
            </dd>
            <dt>Roles</dt>
            <dd>{roles.join(", ") || "none"}</dd>
            <dt>Groups</dt>
            <dd>{groups.join(", ") || "none"}</dd>
            {boundary !== null && (
              <>
                <dt>At most</dt>
                <dd>{boundary}</dd>
              </>
            )}
            <dt>Since</dt>
            <dd>{formatMoment(createdAt)}</dd>
          </dl>
        )}
      </ResourceCard>
      {changing && <ChangePasswordDialog user={user} onClose={() => setChanging(false)} />}
    </Section>
  );
}

function ChangePasswordDialog({ user, onClose }: { user: User; onClose(): void }) {
  const { signOut } = useSession();
  const [current, setCurrent] = useState("");
  const [given, setGiven] = useState(NO_PASSWORD);
  return (
    <FormModal
      title="Change password"
      action="Change password"
      problem={current === "" ? "Enter your current password." : newPasswordProblem(given)}
      onSubmit={async () => {
        await account.changePassword(user.name, current, given.password);
        await signOut("Your password is changed and every session has ended. Sign in with the new one.");
      }}
      onClose={onClose}
    >
      <input type="text" name="username" autoComplete="username" value={user.name} readOnly hidden />
      <Field label="Current password">
        <input
          type="password"
          name="current-password"
          autoComplete="current-password"
          // biome-ignore lint/a11y/noAutofocus: where the form begins
          autoFocus
          value={current}
          onChange={(event) => setCurrent(event.target.value)}
        />
      </Field>
      <NewPasswordFields value={given} onChange={setGiven} />
    </FormModal>
  );
}
