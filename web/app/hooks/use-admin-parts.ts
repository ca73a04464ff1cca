import { useEffect, useState } from "react";
import { auth, type User } from "../api/auth.ts";
import { ADMIN_PARTS, type AdminPart } from "../routes.ts";

/** What one must be allowed to see each part, and on what. */
const NEEDED: Record<AdminPart, [action: string, resource: string]> = {
  users: ["auth:ListUsers", "arn:skerry:auth:::user/"],
  groups: ["auth:ListGroups", "arn:skerry:auth:::group/"],
  roles: ["auth:ListRoles", "arn:skerry:auth:::role/"],
  audit: ["auth:ReadAudit", "arn:skerry:auth:::audit-entry/"],
  settings: ["auth:ListUsers", "arn:skerry:auth:::user/"],
};

/** The parts of the administration that the server would show to `user`; none until it has told. */
export function useAdminParts(user: User): readonly AdminPart[] {
  const [parts, setParts] = useState<readonly AdminPart[]>([]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another user may do other things
  useEffect(() => {
    const abort = new AbortController();
    const asked = ADMIN_PARTS.map(async (part) => {
      const { allowed } = await auth.may(...NEEDED[part], abort.signal);
      return allowed ? [part] : [];
    });
    Promise.all(asked).then(
      (allowed) => setParts(allowed.flat()),
      // The pages themselves tell what is refused.
      () => !abort.signal.aborted && setParts(user.admin ? ADMIN_PARTS : []),
    );
    return () => abort.abort();
  }, [user.userId, user.admin]);
  return parts;
}
