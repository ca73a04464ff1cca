import { useState } from "react";
import { directory, type Group } from "../api/directory.ts";
import { Button, IconButton } from "../components/button.tsx";
import { Confirm } from "../components/confirm.tsx";
import { Link } from "../components/link.tsx";
import { Placeholder } from "../components/placeholder.tsx";
import { ResourceCard } from "../components/resource-card.tsx";
import { Section } from "../components/section.tsx";
import { NameCell, Table } from "../components/table.tsx";
import { useToasts } from "../components/toasts.tsx";
import { formatPlural } from "../format.ts";
import { useResource } from "../hooks/use-resource.ts";
import { navigate } from "../navigation.ts";
import { formatRoute } from "../routes.ts";
import { CreateNamedDialog } from "./create-named-dialog.tsx";

const placeOf = (name: string) => formatRoute({ page: "admin", part: "groups", name });

export function GroupsPart() {
  const { resource, reload } = useResource(directory.groups);
  const [creating, setCreating] = useState(false);
  const [removing, setRemoving] = useState<Group>();
  const { toast } = useToasts();
  return (
    <Section
      title="Users who get roles together"
      actions={
        resource.state === "ready" && (
          <Button kind="primary" icon="plus" onClick={() => setCreating(true)}>
            Create group
          </Button>
        )
      }
    >
      <ResourceCard resource={resource} reload={reload} what="groups">
        {({ groups }) =>
          groups.length > 0 ? (
            <GroupTable groups={groups} onRemove={setRemoving} />
          ) : (
            <Placeholder icon="users" title="No groups">
              <p>Make one for people who should be allowed the same.</p>
            </Placeholder>
          )
        }
      </ResourceCard>
      {creating && (
        <CreateNamedDialog
          noun="group"
          onName={async (wish) => {
            const { name } = await directory.createGroup(wish);
            toast(`Group ${name} created`);
            navigate(placeOf(name));
          }}
          onClose={() => setCreating(false)}
        />
      )}
      {removing && (
        <Confirm
          title={`Remove the group ${removing.name}?`}
          action="Remove group"
          onConfirm={async () => {
            await directory.removeGroup(removing.name);
            toast(`Group ${removing.name} removed`);
            reload();
          }}
          onClose={() => setRemoving(undefined)}
        >
          <p>
            {formatPlural(removing.members.length, "member")} will have only the roles of their own and of
            their other groups.
          </p>
        </Confirm>
      )}
    </Section>
  );
}

function GroupTable({ groups, onRemove }: { groups: Group[]; onRemove(group: Group): void }) {
  return (
    <Table
      className="bucket-table"
      columns={[
        { title: "Name" },
        { title: "Members", className: "cell-modified" },
        { title: "Roles", className: "cell-modified" },
      ]}
    >
      {groups.map((group) => {
        const members = formatPlural(group.members.length, "member");
        const roles = group.roles.join(", ") || "no roles";
        return (
          <tr className="row" key={group.id}>
            <NameCell icon="users" meta={`${members} · ${roles}`}>
              <Link className="row-name" href={placeOf(group.name)}>
                {group.name}
              </Link>
            </NameCell>
            <td className="cell-modified">{members}</td>
            <td className="cell-modified cell-cut" title={roles}>
              {roles}
            </td>
            <td className="cell-actions">
              <IconButton
                className="icon-button-danger"
                icon="trash"
                label={`Remove the group ${group.name}`}
                onClick={() => onRemove(group)}
              />
            </td>
          </tr>
        );
      })}
    </Table>
  );
}
