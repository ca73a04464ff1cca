import { expect, test } from "bun:test";
import type { Principal } from "../../std/policy/context.ts";
import { evaluate } from "../../std/policy/evaluate.ts";
import { ACTIONS, type Action, factsOf } from "./actions.ts";
import { requestFor } from "./request.ts";
import { bucketName, bucketsName, objectName, type ResourceName } from "./resource-names.ts";
import { type BuiltInRole, policyOfRole } from "./roles.ts";

const ALICE: Principal = { kind: "user", account: "000000000000", id: "u1", name: "alice" };

/** Something of the kind that the action is on, which `owner` has; "" is nobody. */
function thing(action: Action, owner: string): ResourceName {
  const { kind } = factsOf(action);
  if (kind === "buckets") return bucketsName();
  if (kind === "bucket") return bucketName("photos");
  if (kind === "object") return objectName("photos", "a");
  return `arn:skerry:${action.slice(0, action.indexOf(":"))}::${owner}:${kind}/x1` as ResourceName;
}

function allowedTo(role: BuiltInRole, owner: string, principal: Principal | null = ALICE): Action[] {
  return ACTIONS.filter((action) => {
    const resource = thing(action, owner) as never;
    const request = requestFor({ principal, action, resource, ...(owner !== "" && { owner }) });
    return evaluate(request, { identity: [policyOfRole(role)] }).allowed;
  });
}

const READS = ACTIONS.filter((action) => ["read", "list"].includes(factsOf(action).level));
const OWN_ACCOUNT: Action[] = [
  "auth:GetUser",
  "auth:ChangePassword",
  "auth:ExplainAccess",
  "auth:ListSessions",
  "auth:RevokeSession",
  "auth:RegisterPasskey",
  "auth:ListPasskeys",
  "auth:UpdatePasskey",
  "auth:DeletePasskey",
];

test("an admin may do everything", () => {
  for (const owner of ["u1", "u2", ""]) expect(allowedTo("admin", owner)).toEqual([...ACTIONS]);
});

test("a member may do everything with own buckets, and keep the own account", () => {
  const own = allowedTo("member", "u1");
  expect(own.filter((action) => action.startsWith("s3:"))).toEqual(
    ACTIONS.filter((action) => action.startsWith("s3:")),
  );
  const kinds = new Set(["token", "service-account", "access-key", "session", "passkey"]);
  const expected = ACTIONS.filter(
    (action) =>
      action.startsWith("auth:") && (kinds.has(factsOf(action).kind) || OWN_ACCOUNT.includes(action)),
  );
  expect(own.filter((action) => !action.startsWith("s3:"))).toEqual(expected);
});

test("a member may not become more than a member", () => {
  const own = allowedTo("member", "u1");
  for (const action of [
    "auth:UpdateUser",
    "auth:AttachUserRole",
    "auth:AttachUserPolicy",
    "auth:DeleteUserBoundary",
    "auth:ResetPassword",
  ] as const) {
    expect(own).not.toContain(action);
  }
});

test("a member may do nothing with what others have, or nobody", () => {
  expect(allowedTo("member", "u2")).toEqual([]);
  expect(allowedTo("member", "")).toEqual([]);
});

test("who may only read may read everything, change nothing, and keep the own account", () => {
  expect(allowedTo("read-only", "u2")).toEqual(READS);
  expect(allowedTo("read-only", "")).toEqual(READS);
  expect(allowedTo("read-only", "u1")).toEqual(
    ACTIONS.filter((action) => READS.includes(action) || OWN_ACCOUNT.includes(action)),
  );
});

test("a stranger has no role", () => {
  for (const role of ["admin", "member", "read-only"] as const)
    expect(allowedTo(role, "u1", null)).toEqual([]);
});

test("a decision names the role", () => {
  const request = requestFor({
    principal: ALICE,
    action: "s3:ListBucket",
    resource: bucketName("photos"),
    owner: "u1",
  });
  expect(evaluate(request, { identity: [policyOfRole("member")] }).by).toEqual({
    policy: "role/member",
    statement: 0,
    sid: "OwnBuckets",
  });
});
