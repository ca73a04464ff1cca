import { useCallback } from "react";
import { directory } from "../api/directory.ts";
import { ResourceCard } from "../components/resource-card.tsx";
import { Section } from "../components/section.tsx";
import { formatMoment } from "../format.ts";
import { useResource } from "../hooks/use-resource.ts";
import { formatRoute } from "../routes.ts";
import { ChipList } from "./chip-list.tsx";
import { useNames } from "./use-names.ts";

/** One group: who is in it, and what that allows. */
export function GroupPart({ name }: { name: string }) {
  const load = useCallback((signal: AbortSignal) => directory.group(name, signal), [name]);
  const { resource, reload } = useResource(load);
  const { roleNames } = useNames();
  const after = (work: Promise<void>) => work.then(reload);
  const group = resource.state === "ready" ? resource.value : undefined;
  return (
    <>
      <Section title={name}>
        <ResourceCard resource={resource} reload={reload} what="group" rows={1}>
          {({ id, createdAt }) => (
            <dl className="facts card-facts">
              <dt>Group ID</dt>
              <dd>
                <code>{id}</code>
              </dd>
              <dt>Created</dt>
              <dd>{formatMoment(createdAt)}</dd>
            </dl>
          )}
        </ResourceCard>
      </Section>
      {group && (
        <>
          <Section title="Members" hint="Users who have the roles below.">
            <ChipList
              noun="member"
              names={group.members}
              hrefOf={(user) => formatRoute({ page: "admin", part: "users", name: user })}
              onAdd={(user) => after(directory.addMember(name, user))}
              onRemove={(user) => after(directory.removeMember(name, user))}
            />
          </Section>
          <Section title="Roles" hint="Every member has them.">
            <ChipList
              noun="role"
              names={group.roles}
              choices={roleNames}
              hrefOf={(role) => formatRoute({ page: "admin", part: "roles", name: role })}
              onAdd={(role) => after(directory.attachRole("groups", name, role))}
              onRemove={(role) => after(directory.detachRole("groups", name, role))}
            />
          </Section>
        </>
      )}
    </>
  );
}
