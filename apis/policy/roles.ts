// The roles that are always there, as the documents that anybody could write.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables look like that
import { type Policy, parsePolicy } from "../../std/policy/policy.ts";
import type { Action } from "./actions.ts";

/** What every user needs to sign in and out and to keep the account safe. It gives no permission to anything else. */
const OWN_ACCOUNT: readonly Action[] = [
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

/** Credentials that can do at most what their owner can. */
const OWN_CREDENTIALS: readonly Action[] = [
  "auth:CreateToken",
  "auth:ListTokens",
  "auth:RevokeToken",
  "auth:CreateServiceAccount",
  "auth:ListServiceAccounts",
  "auth:GetServiceAccount",
  "auth:UpdateServiceAccount",
  "auth:DeleteServiceAccount",
  "auth:CreateAccessKey",
  "auth:ImportAccessKey",
  "auth:ListAccessKeys",
  "auth:UpdateAccessKey",
  "auth:DeleteAccessKey",
];

const OWN_RESOURCES = "arn:skerry:auth::${skerry:userid}:*";
const ownAccount = { Sid: "OwnAccount", Effect: "Allow", Action: OWN_ACCOUNT, Resource: OWN_RESOURCES };

/** By role: everything; one's own; everything there is to see, and no change to it. */
export const BUILT_IN_ROLES = {
  admin: {
    Version: "2012-10-17",
    Statement: [{ Sid: "Everything", Effect: "Allow", Action: "*", Resource: "*" }],
  },
  member: {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "OwnBuckets",
        Effect: "Allow",
        Action: "s3:*",
        Resource: "arn:aws:s3:::*",
        Condition: { StringEquals: { "skerry:ResourceOwner": "${skerry:userid}" } },
      },
      ownAccount,
      { Sid: "OwnCredentials", Effect: "Allow", Action: OWN_CREDENTIALS, Resource: OWN_RESOURCES },
    ],
  },
  "read-only": {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "ReadEverything",
        Effect: "Allow",
        Action: "*",
        Resource: "*",
        Condition: { StringEquals: { "skerry:AccessLevel": ["read", "list"] } },
      },
      ownAccount,
    ],
  },
} as const;

export type BuiltInRole = keyof typeof BUILT_IN_ROLES;

const POLICIES = new Map(
  Object.entries(BUILT_IN_ROLES).map(([role, document]) => [
    role,
    parsePolicy(document, "identity", `role/${role}`),
  ]),
);

/** The compiled document of a built-in role. */
export function policyOfRole(role: BuiltInRole): Policy<"identity"> {
  return POLICIES.get(role)!;
}
