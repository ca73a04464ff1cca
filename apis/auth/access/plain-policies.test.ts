// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables look like that
import { expect, test } from "bun:test";
import { systemClock } from "../../../std/clock.ts";
import { silentLog } from "../../../std/log.ts";
import { objectName } from "../../policy/resource-names.ts";
import { BUILT_IN_ROLES } from "../../policy/roles.ts";
import { Access } from "./access.ts";
import { AccessCopy } from "./access-copy.ts";
import { isPlain } from "./plain-policies.ts";

const statement = (more: object) => ({ Effect: "Allow", Action: "s3:*", Resource: "*", ...more });
const policy = (...statements: object[]) => ({ Version: "2012-10-17", Statement: statements });

test.each(Object.entries(BUILT_IN_ROLES))("the built-in role %s is plain", (_, document) => {
  expect(isPlain(document)).toBe(true);
  expect(isPlain(JSON.stringify(document))).toBe(true);
});

test.each([
  ["a bucket", statement({ Resource: "arn:aws:s3:::photos/*" })],
  ["a pattern", statement({ Resource: ["*", "arn:aws:s3:::a*"] })],
  ["all but a bucket", { Effect: "Allow", Action: "s3:*", NotResource: "arn:aws:s3:::photos" }],
  ["an address", statement({ Condition: { IpAddress: { "aws:SourceIp": "192.0.2.0/24" } } })],
  ["the time", statement({ Condition: { DateLessThan: { "AWS:CurrentTime": "2030-01-01T00:00:00Z" } } })],
  ["a prefix", statement({ Condition: { StringLike: { "s3:prefix": "a/*" } } })],
  ["a variable", statement({ Condition: { StringEquals: { "skerry:ResourceOwner": "${s3:prefix}" } } })],
  ["any action on a bucket", statement({ Action: "*", Resource: "arn:aws:s3:::photos" })],
  ["no action but one", { Effect: "Deny", NotAction: "auth:GetUser", Resource: "arn:aws:s3:::photos" }],
  [
    "one of several",
    statement({ Action: ["auth:GetUser", "S3:GetObject"], Resource: "arn:aws:s3:::photos/a" }),
  ],
])("a policy that looks at %s is not", (_, one) => {
  expect(isPlain(policy(one))).toBe(false);
  expect(isPlain(policy(statement({}), one))).toBe(false);
});

test("what is about other services does not matter", () => {
  expect(
    isPlain(policy(statement({}), statement({ Action: "auth:*", Resource: "arn:skerry:auth::u1:*" }))),
  ).toBe(true);
});

test("an answer is remembered for an owner, never for a user whose policies look at more, and not past a change", () => {
  const copy = new AccessCopy(silentLog);
  const user = (...roles: string[]) => ({ id: "u1", name: "alice", disabled: false, boundary: null, roles });
  const access = new Access(copy, { isFresh: () => true, refresh: async () => {} }, systemClock);
  const alice = { userId: "u1", name: "alice", admin: false };
  const mayRead = (bucket: string, owner: string) =>
    access.decide(alice, "s3:GetObject", { resource: objectName(bucket, "a"), owner }).allowed;
  copy.setUsers(new Map([["u1", user("member")]]));
  for (let round = 0; round < 2; round++) {
    expect([mayRead("a", "u1"), mayRead("b", "u1"), mayRead("a", "u2")]).toEqual([true, true, false]);
  }
  const document = JSON.stringify(policy(statement({ Resource: "arn:aws:s3:::b/*" })));
  copy.replace({ groups: [], roles: [{ name: "b-reader", document }], serviceAccounts: [], tokens: [] });
  copy.setUsers(new Map([["u1", user("b-reader")]]));
  for (let round = 0; round < 2; round++) {
    expect([mayRead("a", "u1"), mayRead("b", "u1"), mayRead("b", "u2")]).toEqual([false, true, true]);
  }
});
