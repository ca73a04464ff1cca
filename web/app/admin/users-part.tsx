import { useState } from "react";
import { directory, type User } from "../api/directory.ts";
import { Button } from "../components/button.tsx";
import { Link } from "../components/link.tsx";
import { Moment } from "../components/moment.tsx";
import { ResourceCard } from "../components/resource-card.tsx";
import { Section } from "../components/section.tsx";
import { NameCell, Table } from "../components/table.tsx";
import { useToasts } from "../components/toasts.tsx";
import { formatPlural } from "../format.ts";
import { useNow } from "../hooks/use-now.ts";
import { useResource } from "../hooks/use-resource.ts";
import { navigate } from "../navigation.ts";
import { formatRoute } from "../routes.ts";
import { CreateUserDialog } from "./create-user-dialog.tsx";

const placeOf = (name: string) => formatRoute({ page: "admin", part: "users", name });

export function UsersPart() {
  const { resource, reload } = useResource(directory.users);
  const [creating, setCreating] = useState(false);
  const { toast } = useToasts();
  return (
    <Section
      title="Everybody with an account"
      hint={resource.state === "ready" ? formatPlural(resource.value.users.length, "user") : undefined}
      actions={
        resource.state === "ready" && (
          <Button kind="primary" icon="plus" onClick={() => setCreating(true)}>
            Create user
          </Button>
        )
      }
    >
      <ResourceCard resource={resource} reload={reload} what="users">
        {({ users }) => <UserTable users={users} />}
      </ResourceCard>
      {creating && (
        <CreateUserDialog
          onCreated={({ name }) => {
            toast(`User ${name} created`);
            navigate(placeOf(name));
          }}
          onClose={() => setCreating(false)}
        />
      )}
    </Section>
  );
}

function UserTable({ users }: { users: User[] }) {
  const now = useNow();
  return (
    <Table
      className="bucket-table"
      columns={[{ title: "Name" }, { title: "Created", className: "cell-modified" }]}
    >
      {users.map((user) => (
        <tr className="row" key={user.id}>
          <NameCell
            icon="user"
            meta={
              <>
                created <Moment at={user.createdAt} now={now} />
              </>
            }
          >
            <Link className="row-name" href={placeOf(user.name)}>
              {user.name}
            </Link>
            {user.admin && <span className="pill">Administrator</span>}
            {user.disabled && <span className="pill pill-bad">Disabled</span>}
          </NameCell>
          <td className="cell-modified">
            <Moment at={user.createdAt} now={now} />
          </td>
          <td className="cell-actions" />
        </tr>
      ))}
    </Table>
  );
}
