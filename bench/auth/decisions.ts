// The policies that decisions are timed with.
import type { Principal } from "../../apis/auth/identity.ts";
import type { AuthService } from "../../apis/auth/service.ts";
import { authorize } from "../../apis/storage/authorize.ts";
import { PolicyRequest } from "../../std/policy/context.ts";
import { evaluate } from "../../std/policy/evaluate.ts";
import { type Policy, parsePolicy } from "../../std/policy/policy.ts";

const POLICIES = 10;
const STATEMENTS = 30;
const SOURCE = "192.0.2.1";
const NETWORK = "192.0.2.0/24";

/** A role with a condition on the request, so that nothing that was decided once can be taken again. */
export const CONDITIONAL_ROLE = {
  name: "readers-of-our-network",
  document: {
    Version: "2012-10-17",
    Statement: {
      Effect: "Allow",
      Action: ["s3:GetObject", "s3:ListBucket"],
      Resource: "arn:aws:s3:::*",
      Condition: { IpAddress: { "aws:SourceIp": NETWORK } },
    },
  },
};

/** Whether `caller` may read an object of `owner`, asked as S3 asks: the copy's age, then what that copy decides. */
export function readsAsS3(auth: AuthService, caller: Principal, owner: string, key: string): boolean {
  const { access } = auth;
  if (access.freshened() !== undefined) throw new Error("the copy of permissions is not up to date");
  const values = { "aws:SourceIp": SOURCE, "s3:prefix": undefined };
  return authorize(access, caller, "s3:GetObject", { bucket: "photos", key, owner, values });
}

const ALICE = { kind: "user", account: "000000000000", id: "u1", name: "alice" } as const;

/** Ten policies of thirty statements: team `t` may read below its own prefix of bucket `b`, from our network. */
const MANY: readonly Policy<"identity">[] = Array.from({ length: POLICIES }, (_, team) =>
  parsePolicy(
    {
      Version: "2012-10-17",
      Statement: Array.from({ length: STATEMENTS }, (_, bucket) => ({
        Effect: "Allow",
        Action: ["s3:GetObject", "s3:PutObject"],
        Resource: `arn:aws:s3:::bucket-${bucket}/team-${team}/*`,
        Condition: { IpAddress: { "aws:SourceIp": NETWORK } },
      })),
    },
    "identity",
    `team-${team}`,
  ),
);

/** The pure engine with {@link MANY}: the last statement of the last policy allows it, and for `team` 10 none does. */
export function readsByManyPolicies(team: number, key: string): boolean {
  const request = new PolicyRequest({
    principal: ALICE,
    action: "s3:GetObject",
    resource: `arn:aws:s3:::bucket-${STATEMENTS - 1}/team-${team}/${key}`,
    values: { "aws:SourceIp": SOURCE },
  });
  return evaluate(request, { identity: MANY }).allowed;
}

export const LAST_TEAM = POLICIES - 1;
export const NO_TEAM = POLICIES;
