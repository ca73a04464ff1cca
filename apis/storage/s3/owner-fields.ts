import type { Principal } from "../../auth/identity.ts";
import { branch, tag } from "./xml-write.ts";

/** `Owner`, `Initiator`: a user id, and a name where it is the caller's own. */
export function ownerFields(userId: string, caller: Principal): string {
  return tag("ID", userId) + tag("DisplayName", userId === caller.userId ? caller.name : userId);
}

/** `<Owner>`. */
export function ownerBranch(userId: string, caller: Principal): string {
  return branch("Owner", ownerFields(userId, caller));
}
