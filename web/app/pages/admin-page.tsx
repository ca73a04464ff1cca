import { AuditPart } from "../admin/audit-part.tsx";
import { GroupPart } from "../admin/group-part.tsx";
import { GroupsPart } from "../admin/groups-part.tsx";
import { RolePart } from "../admin/role-part.tsx";
import { RolesPart } from "../admin/roles-part.tsx";
import { SettingsPart } from "../admin/settings-part.tsx";
import { UserPart } from "../admin/user-part.tsx";
import { UsersPart } from "../admin/users-part.tsx";
import type { User } from "../api/auth.ts";
import { Icon } from "../components/icon.tsx";
import { Link } from "../components/link.tsx";
import { PageHeading } from "../components/page-heading.tsx";
import { Tabs } from "../components/tabs.tsx";
import { type AdminPart, formatRoute } from "../routes.ts";

const NAMES: Record<AdminPart, string> = {
  users: "Users",
  groups: "Groups",
  roles: "Roles",
  audit: "Audit log",
  settings: "Settings",
};

interface AdminPageProps {
  me: User;
  /** Those that the server would show to the person; a part that is not among them says itself why. */
  parts: readonly AdminPart[];
  part: AdminPart;
  /** Of the one user, group or role. */
  name?: string;
}

/** Who may come in and what they may do. */
export function AdminPage({ me, parts, part, name }: AdminPageProps) {
  return (
    <section className="page">
      <PageHeading title={NAMES[part]} />
      <Tabs
        label="Administration"
        tabs={parts.map((each) => ({
          href: formatRoute({ page: "admin", part: each }),
          name: NAMES[each],
          current: each === part,
        }))}
      />
      {name !== undefined && (
        <Link className="back" href={formatRoute({ page: "admin", part })}>
          <Icon name="back" size={16} />
          All {NAMES[part].toLowerCase()}
        </Link>
      )}
      <Part me={me} part={part} name={name} />
    </section>
  );
}

function Part({ me, part, name }: Omit<AdminPageProps, "parts">) {
  switch (part) {
    case "users":
      return name === undefined ? <UsersPart /> : <UserPart key={name} me={me} name={name} />;
    case "groups":
      return name === undefined ? <GroupsPart /> : <GroupPart key={name} name={name} />;
    case "roles":
      return name === undefined ? <RolesPart /> : <RolePart key={name} name={name} />;
    case "audit":
      return <AuditPart />;
    case "settings":
      return <SettingsPart />;
  }
}
