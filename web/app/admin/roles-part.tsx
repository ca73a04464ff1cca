import { useState } from "react";
import { directory, type Role } from "../api/directory.ts";
import { Button, IconButton } from "../components/button.tsx";
import { Confirm } from "../components/confirm.tsx";
import { Link } from "../components/link.tsx";
import { ResourceCard } from "../components/resource-card.tsx";
import { Section } from "../components/section.tsx";
import { NameCell, Table } from "../components/table.tsx";
import { useToasts } from "../components/toasts.tsx";
import { useResource } from "../hooks/use-resource.ts";
import { navigate } from "../navigation.ts";
import { formatRoute } from "../routes.ts";
import { CreateNamedDialog } from "./create-named-dialog.tsx";

const placeOf = (name: string) => formatRoute({ page: "admin", part: "roles", name });

/** What a new role begins with: harmless, and in the shape of what it may become. */
const FIRST_POLICY = {
  Version: "2012-10-17",
  Statement: [{ Sid: "ListBuckets", Effect: "Allow", Action: "s3:ListAllMyBuckets", Resource: "*" }],
};

export function RolesPart() {
  const { resource, reload } = useResource(directory.roles);
  const [creating, setCreating] = useState(false);
  const [removing, setRemoving] = useState<Role>();
  const { toast } = useToasts();
  return (
    <Section
      title="Policies with a name"
      hint="Attach a role to users and groups. Three are built in."
      actions={
        resource.state === "ready" && (
          <Button kind="primary" icon="plus" onClick={() => setCreating(true)}>
            Create role
          </Button>
        )
      }
    >
      <ResourceCard resource={resource} reload={reload} what="roles">
        {({ roles }) => <RoleTable roles={roles} onRemove={setRemoving} />}
      </ResourceCard>
      {creating && (
        <CreateNamedDialog
          noun="role"
          onName={async (wish) => {
            const { name } = await directory.createRole(wish, JSON.stringify(FIRST_POLICY, null, 2));
            toast(`Role ${name} created`);
            navigate(placeOf(name));
          }}
          onClose={() => setCreating(false)}
        >
          <p className="muted">It begins with listing one’s buckets; then you write its policy.</p>
        </CreateNamedDialog>
      )}
      {removing && (
        <Confirm
          title={`Remove the role ${removing.name}?`}
          action="Remove role"
          onConfirm={async () => {
            await directory.removeRole(removing.name);
            toast(`Role ${removing.name} removed`);
            reload();
          }}
          onClose={() => setRemoving(undefined)}
        >
          <p>This cannot be undone.</p>
        </Confirm>
      )}
    </Section>
  );
}

function RoleTable({ roles, onRemove }: { roles: Role[]; onRemove(role: Role): void }) {
  return (
    <Table className="bucket-table" columns={[{ title: "Name" }]}>
      {roles.map((role) => (
        <tr className="row" key={role.name}>
          <NameCell icon="shield">
            <Link className="row-name" href={placeOf(role.name)}>
              {role.name}
            </Link>
            {role.builtIn && <span className="pill">Built in</span>}
          </NameCell>
          <td className="cell-actions">
            {!role.builtIn && (
              <IconButton
                className="icon-button-danger"
                icon="trash"
                label={`Remove the role ${role.name}`}
                onClick={() => onRemove(role)}
              />
            )}
          </td>
        </tr>
      ))}
    </Table>
  );
}
