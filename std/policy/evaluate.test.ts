// The published rules of how policies combine, within one account.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables look like that
import { expect, test } from "bun:test";
import { PolicyRequest, type Principal } from "./context.ts";
import { evaluate, type PolicySet } from "./evaluate.ts";
import { parsePolicy } from "./policy.ts";

const ACCOUNT = "000000000000";
const ALICE: Principal = { kind: "user", account: ACCOUNT, id: "u1", name: "alice", roles: ["auditor"] };
const BOB: Principal = { kind: "user", account: ACCOUNT, id: "u2", name: "bob" };
const FOREIGN: Principal = { kind: "user", account: "111111111111", id: "u3", name: "alice" };
const LOGS: Principal = { kind: "service", name: "logs.skerry" };

const READ = { Effect: "Allow", Action: "s3:Get*", Resource: "arn:aws:s3:::photos/*" };
const WRITE = { Effect: "Allow", Action: "s3:PutObject", Resource: "arn:aws:s3:::photos/*" };
const NO_READ = { Effect: "Deny", Action: "s3:GetObject", Resource: "*" };

function own(...statements: object[]): ReturnType<typeof parsePolicy<"identity">> {
  return parsePolicy({ Version: "2012-10-17", Statement: statements }, "identity", "own");
}

function bucket(...statements: object[]): ReturnType<typeof parsePolicy<"resource">> {
  return parsePolicy({ Version: "2012-10-17", Statement: statements }, "resource", "bucket");
}

const to = (principal: unknown, statement: object = READ): object => ({ ...statement, Principal: principal });
const BY_ARN = { AWS: `arn:aws:iam::${ACCOUNT}:user/alice` };
const BY_ROLE = { AWS: `arn:aws:iam::${ACCOUNT}:role/auditor` };
const BY_ACCOUNT = { AWS: `arn:aws:iam::${ACCOUNT}:root` };

interface Case {
  name: string;
  who?: Principal | null;
  action?: string;
  resource?: string;
  policies: PolicySet;
  decides: string;
}

const CASES: Case[] = [
  { name: "nothing at all", policies: { identity: [] }, decides: "implicit-deny identity" },
  { name: "an own policy", policies: { identity: [own(READ)] }, decides: "allowed identity" },
  {
    name: "any of several own policies",
    policies: { identity: [own(WRITE), own(READ)] },
    decides: "allowed identity",
  },
  {
    name: "another action",
    action: "s3:PutObject",
    policies: { identity: [own(READ)] },
    decides: "implicit-deny identity",
  },
  {
    name: "an action in other case",
    action: "S3:GETOBJECT",
    policies: { identity: [own(READ)] },
    decides: "allowed identity",
  },
  {
    name: "an action in other case in the policy",
    policies: { identity: [own({ ...READ, Action: "S3:getobject" })] },
    decides: "allowed identity",
  },
  {
    name: "a resource in other case",
    resource: "arn:aws:s3:::Photos/a",
    policies: { identity: [own(READ)] },
    decides: "implicit-deny identity",
  },
  {
    name: "another service",
    action: "auth:GetUser",
    policies: { identity: [own(READ)] },
    decides: "implicit-deny identity",
  },
  {
    name: "a service whose name only begins the same",
    action: "s3x:GetObject",
    policies: { identity: [own({ ...READ, Action: "s3:*" })] },
    decides: "implicit-deny identity",
  },
  {
    name: "a resource with a wildcard, which is a character there",
    resource: "arn:aws:s3:::*/a",
    policies: { identity: [own(READ)] },
    decides: "implicit-deny identity",
  },
  {
    name: "a Deny beside an Allow",
    policies: { identity: [own(READ), own(NO_READ)] },
    decides: "explicit-deny identity",
  },
  {
    name: "NotAction allows the rest",
    action: "auth:GetUser",
    policies: { identity: [own({ Effect: "Allow", NotAction: "s3:*", Resource: "*" })] },
    decides: "allowed identity",
  },
  {
    name: "NotAction excepts",
    policies: { identity: [own({ Effect: "Allow", NotAction: "s3:*", Resource: "*" })] },
    decides: "implicit-deny identity",
  },
  {
    name: "Deny with NotAction denies another service",
    action: "auth:GetUser",
    policies: {
      identity: [
        own(
          { Effect: "Allow", Action: "*", Resource: "*" },
          { Effect: "Deny", NotAction: "s3:*", Resource: "*" },
        ),
      ],
    },
    decides: "explicit-deny identity",
  },
  {
    name: "Deny with NotResource excepts",
    policies: {
      identity: [own(READ, { Effect: "Deny", Action: "*", NotResource: "arn:aws:s3:::photos/*" })],
    },
    decides: "allowed identity",
  },
  {
    name: "Deny with NotResource denies elsewhere",
    resource: "arn:aws:s3:::other/a",
    policies: {
      identity: [
        own(
          { ...READ, Resource: "*" },
          { Effect: "Deny", Action: "*", NotResource: "arn:aws:s3:::photos/*" },
        ),
      ],
    },
    decides: "explicit-deny identity",
  },
  {
    name: "Deny with NotResource and a variable without a value excepts nothing",
    policies: {
      identity: [
        own(READ, { Effect: "Deny", Action: "*", NotResource: "arn:aws:s3:::${aws:PrincipalTag/x}/*" }),
      ],
    },
    decides: "explicit-deny identity",
  },
  {
    name: "Allow with NotResource and a variable without a value allows nothing",
    policies: {
      identity: [own({ Effect: "Allow", Action: "*", NotResource: "arn:aws:s3:::${aws:PrincipalTag/x}/*" })],
    },
    decides: "implicit-deny identity",
  },
  {
    name: "a variable in a resource",
    resource: "arn:aws:s3:::home/alice/x",
    policies: { identity: [own({ ...READ, Resource: "arn:aws:s3:::home/${aws:username}/*" })] },
    decides: "allowed identity",
  },
  {
    name: "a variable in a resource for another user",
    who: BOB,
    resource: "arn:aws:s3:::home/alice/x",
    policies: { identity: [own({ ...READ, Resource: "arn:aws:s3:::home/${aws:username}/*" })] },
    decides: "implicit-deny identity",
  },

  {
    name: "a boundary allows nothing by itself",
    policies: { identity: [], boundary: own(READ) },
    decides: "implicit-deny identity",
  },
  {
    name: "a boundary that allows too",
    policies: { identity: [own(READ)], boundary: own(READ, WRITE) },
    decides: "allowed identity",
  },
  {
    name: "a boundary that does not",
    policies: { identity: [own(READ)], boundary: own(WRITE) },
    decides: "implicit-deny boundary",
  },
  {
    name: "a boundary that denies",
    policies: { identity: [own(READ)], boundary: own(READ, NO_READ) },
    decides: "explicit-deny boundary",
  },

  {
    name: "a session allows nothing by itself",
    policies: { identity: [], session: [own(READ)] },
    decides: "implicit-deny identity",
  },
  {
    name: "a session that allows too",
    policies: { identity: [own(READ)], session: [own(READ)] },
    decides: "allowed identity",
  },
  {
    name: "a session that does not",
    policies: { identity: [own(READ)], session: [own(WRITE)] },
    decides: "implicit-deny session",
  },
  {
    name: "one of two sessions that does not",
    policies: { identity: [own(READ)], session: [own(READ), own(WRITE)] },
    decides: "implicit-deny session",
  },
  {
    name: "a session and a boundary that do not",
    policies: { identity: [own(READ)], boundary: own(WRITE), session: [own(WRITE)] },
    decides: "implicit-deny boundary",
  },
  {
    name: "a session that denies",
    policies: { identity: [own(READ)], session: [own(READ, NO_READ)] },
    decides: "explicit-deny session",
  },

  {
    name: "the resource names the user",
    policies: { identity: [], resource: bucket(to(BY_ARN)) },
    decides: "allowed resource",
  },
  {
    name: "the resource names the user's id",
    policies: { identity: [], resource: bucket(to({ AWS: "u1" })) },
    decides: "allowed resource",
  },
  {
    name: "the resource names somebody else",
    who: BOB,
    policies: { identity: [], resource: bucket(to(BY_ARN)) },
    decides: "implicit-deny identity",
  },
  {
    name: "the resource names the user of another account",
    who: FOREIGN,
    policies: { identity: [], resource: bucket(to(BY_ARN)) },
    decides: "implicit-deny identity",
  },
  {
    name: "the resource names a role",
    policies: { identity: [], resource: bucket(to(BY_ROLE)) },
    decides: "allowed resource",
  },
  {
    name: "the resource names a role that one lacks",
    who: BOB,
    policies: { identity: [], resource: bucket(to(BY_ROLE)) },
    decides: "implicit-deny identity",
  },
  {
    name: "the resource names the account",
    policies: { identity: [], resource: bucket(to(BY_ACCOUNT)) },
    decides: "implicit-deny identity",
  },
  {
    name: "the resource names the account by its number",
    policies: { identity: [own(READ)], resource: bucket(to({ AWS: ACCOUNT })) },
    decides: "allowed identity",
  },
  {
    name: "the resource names everybody",
    policies: { identity: [], resource: bucket(to("*")) },
    decides: "allowed resource",
  },
  {
    name: "the resource names everybody, as AWS",
    policies: { identity: [], resource: bucket(to({ AWS: ["*"] })) },
    decides: "allowed resource",
  },
  {
    name: "the resource denies everybody",
    policies: { identity: [own(READ)], resource: bucket(to("*", NO_READ)) },
    decides: "explicit-deny resource",
  },
  {
    name: "the resource denies the account",
    policies: { identity: [own(READ)], resource: bucket(to(BY_ACCOUNT, NO_READ)) },
    decides: "explicit-deny resource",
  },
  {
    name: "the resource denies somebody else",
    who: BOB,
    policies: { identity: [own(READ)], resource: bucket(to(BY_ARN, NO_READ)) },
    decides: "allowed identity",
  },
  {
    name: "an own Deny beats the resource",
    policies: { identity: [own(NO_READ)], resource: bucket(to(BY_ARN)) },
    decides: "explicit-deny identity",
  },
  {
    name: "NotPrincipal denies all but the user",
    who: BOB,
    policies: { identity: [own(READ)], resource: bucket({ ...NO_READ, NotPrincipal: BY_ARN }) },
    decides: "explicit-deny resource",
  },
  {
    name: "NotPrincipal excepts the user",
    policies: { identity: [own(READ)], resource: bucket({ ...NO_READ, NotPrincipal: BY_ARN }) },
    decides: "allowed identity",
  },
  {
    name: "NotPrincipal with the account excepts no user of it",
    who: BOB,
    policies: {
      identity: [own(READ)],
      resource: bucket({ ...NO_READ, NotPrincipal: { AWS: [BY_ACCOUNT.AWS, BY_ARN.AWS] } }),
    },
    decides: "explicit-deny resource",
  },
  {
    name: "NotPrincipal denies strangers",
    who: null,
    policies: { identity: [], resource: bucket(to("*"), { ...NO_READ, NotPrincipal: BY_ARN }) },
    decides: "explicit-deny resource",
  },

  {
    name: "the resource names the user, past the boundary",
    policies: { identity: [], resource: bucket(to(BY_ARN)), boundary: own(WRITE) },
    decides: "allowed resource",
  },
  {
    name: "the resource names the user behind a statement to everybody, past the boundary",
    policies: { identity: [], resource: bucket(to("*"), to(BY_ARN)), boundary: own(WRITE) },
    decides: "allowed resource",
  },
  {
    name: "the resource names the user, but not past a Deny of the boundary",
    policies: { identity: [], resource: bucket(to(BY_ARN)), boundary: own(NO_READ) },
    decides: "explicit-deny boundary",
  },
  {
    name: "the resource names everybody, not past the boundary",
    policies: { identity: [], resource: bucket(to("*")), boundary: own(WRITE) },
    decides: "implicit-deny boundary",
  },
  {
    name: "the resource names a role, not past the boundary",
    policies: { identity: [], resource: bucket(to(BY_ROLE)), boundary: own(WRITE) },
    decides: "implicit-deny boundary",
  },
  {
    name: "the resource names the user, not past the session",
    policies: { identity: [own(READ)], resource: bucket(to(BY_ARN)), session: [own(WRITE)] },
    decides: "implicit-deny session",
  },
  {
    name: "the resource names the user, in a session not past the boundary",
    policies: { identity: [], resource: bucket(to(BY_ARN)), boundary: own(WRITE), session: [own(READ)] },
    decides: "implicit-deny boundary",
  },
  {
    name: "the resource names the user, and the session allows",
    policies: { identity: [], resource: bucket(to(BY_ARN)), session: [own(READ)] },
    decides: "allowed resource",
  },

  { name: "a stranger", who: null, policies: { identity: [] }, decides: "implicit-deny resource" },
  {
    name: "a stranger and a resource for everybody",
    who: null,
    policies: { identity: [], resource: bucket(to("*")) },
    decides: "allowed resource",
  },
  {
    name: "a stranger and a resource for a user",
    who: null,
    policies: { identity: [], resource: bucket(to(BY_ARN)) },
    decides: "implicit-deny resource",
  },
  {
    name: "a stranger and a resource for the account",
    who: null,
    policies: { identity: [], resource: bucket(to(BY_ACCOUNT)) },
    decides: "implicit-deny resource",
  },
  {
    name: "a stranger never has own policies",
    who: null,
    policies: { identity: [own(READ)] },
    decides: "implicit-deny resource",
  },
  {
    name: "a stranger and a resource for users with a name alone",
    who: null,
    policies: {
      identity: [],
      resource: bucket({ ...to("*"), Condition: { Null: { "aws:username": "false" } } }),
    },
    decides: "implicit-deny resource",
  },
  {
    name: "a service that is named",
    who: LOGS,
    policies: { identity: [], resource: bucket(to({ Service: "logs.skerry" })) },
    decides: "allowed resource",
  },
  {
    name: "a service that is not",
    who: LOGS,
    policies: { identity: [own(READ)], resource: bucket(to(BY_ARN)) },
    decides: "implicit-deny resource",
  },
  {
    name: "a user called like a service",
    who: { ...BOB, name: "logs.skerry" },
    policies: { identity: [], resource: bucket(to({ Service: "logs.skerry" })) },
    decides: "implicit-deny identity",
  },
];

test.each(CASES)(
  "$name: $decides",
  ({ who = ALICE, action = "s3:GetObject", resource = "arn:aws:s3:::photos/a", policies, decides }) => {
    const decision = evaluate(new PolicyRequest({ principal: who, action, resource }), policies);
    expect(`${decision.reason} ${decision.layer}`).toBe(decides);
    expect(decision.allowed).toBe(decision.reason === "allowed");
    expect(decision.by === undefined).toBe(decision.reason === "implicit-deny");
  },
);

test("a decision names the statement that decided", () => {
  const request = new PolicyRequest({
    principal: ALICE,
    action: "s3:GetObject",
    resource: "arn:aws:s3:::photos/a",
  });
  const lake = parsePolicy({ Statement: [WRITE, { ...READ, Sid: "Read" }] }, "identity", "group/lake");
  expect(evaluate(request, { identity: [own(WRITE), lake] })).toEqual({
    allowed: true,
    reason: "allowed",
    layer: "identity",
    by: { policy: "group/lake", statement: 1, sid: "Read" },
  });
  const denying = bucket(to("*"), to("*", NO_READ));
  expect(evaluate(request, { identity: [lake], resource: denying })).toEqual({
    allowed: false,
    reason: "explicit-deny",
    layer: "resource",
    by: { policy: "bucket", statement: 1 },
  });
});
