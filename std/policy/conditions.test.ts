// The operators against the rules that AWS publishes for them, one line each.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables look like that
import { expect, test } from "bun:test";
import { type ContextValue, PolicyRequest } from "./context.ts";
import { evaluate } from "./evaluate.ts";
import { parsePolicy } from "./policy.ts";

const PRINCIPAL = {
  kind: "user",
  account: "000000000000",
  id: "u1",
  name: "alice",
  tags: new Map([
    ["Team", "red"],
    ["odd", "a*"],
  ]),
} as const;

interface Case {
  operator: string;
  own: unknown;
  value: ContextValue | undefined;
  effect?: "Allow" | "Deny";
  version?: string;
}

/** Whether a statement with the condition applies. */
function holds({ operator, own, value, effect = "Allow", version = "2012-10-17" }: Case): boolean {
  const statement = {
    Effect: effect,
    Action: "*",
    Resource: "*",
    Condition: { [operator]: { "Test:Key": own } },
  };
  const policy = parsePolicy(JSON.stringify({ Version: version, Statement: statement }), "identity");
  const request = new PolicyRequest({
    principal: PRINCIPAL,
    action: "s3:GetObject",
    resource: "arn:aws:s3:::b/k",
    values: { "test:key": value },
  });
  const { reason } = evaluate(request, { identity: [policy] });
  return reason !== "implicit-deny";
}

const GOLDEN: [operator: string, own: unknown, value: ContextValue | undefined, expected: boolean][] = [
  ["StringEquals", "a", "a", true],
  ["StringEquals", "a", "A", false],
  ["StringEquals", ["x", "a"], "a", true],
  ["StringEquals", "a*", "ab", false],
  ["StringEquals", "a*", "a*", true],
  ["StringEquals", 10, 10, true],
  ["StringEquals", true, "true", true],
  ["StringEquals", "a", undefined, false],
  ["StringNotEquals", "a", "b", true],
  ["StringNotEquals", ["a", "b"], "b", false],
  ["StringNotEquals", ["a", "b"], "c", true],
  ["StringNotEquals", "a", undefined, true],
  ["StringEqualsIgnoreCase", "RÉD", "réd", true],
  ["StringNotEqualsIgnoreCase", "RED", "red", false],
  ["StringNotEqualsIgnoreCase", "RED", "blue", true],
  ["StringLike", "home/*", "home/a", true],
  ["StringLike", "home/?", "home/ab", false],
  ["StringLike", "", "", true],
  ["StringLike", "HOME/*", "home/a", false],
  ["StringNotLike", "home/*", "home/a", false],
  ["StringNotLike", ["home/*", "tmp/*"], "etc", true],

  ["NumericEquals", "10", 10, true],
  ["NumericEquals", 10, "10.0", true],
  ["NumericEquals", "10", "ten", false],
  ["NumericNotEquals", "10", "11", true],
  ["NumericNotEquals", ["10", "11"], "11", false],
  ["NumericLessThan", "10", "9.5", true],
  ["NumericLessThan", "10", "10", false],
  ["NumericLessThanEquals", "10", "10", true],
  ["NumericLessThanEquals", "-1", "-2", true],
  ["NumericGreaterThan", "10", "10", false],
  ["NumericGreaterThan", "10", "100", true],
  ["NumericGreaterThanEquals", "10", "10", true],
  ["NumericGreaterThanEquals", "10", undefined, false],

  ["DateEquals", "2030-01-01T00:00:00Z", "2030-01-01T01:00:00+01:00", true],
  ["DateEquals", "2030", "2030-01-01T00:00Z", true],
  ["DateEquals", "1893456000", "2030-01-01", true],
  ["DateEquals", "2030-01-01", 1893456000, true],
  ["DateNotEquals", "2030-01-01", "2030-01-02", true],
  ["DateLessThan", "2030-01-01T00:00:00.5Z", "2030-01-01T00:00:00.25Z", true],
  ["DateLessThan", "2030-01-01", "2030-01-01", false],
  ["DateLessThanEquals", "2030-01-01", "2030-01-01", true],
  ["DateGreaterThan", "2030-01-01", "2031-01", true],
  ["DateGreaterThan", "2030-01-01", "soon", false],
  ["DateGreaterThanEquals", "2030-01-01", "2029-12-31T23:59:59Z", false],

  ["Bool", "true", true, true],
  ["Bool", true, "true", true],
  ["Bool", "True", "true", true],
  ["Bool", "false", true, false],
  ["Bool", "false", undefined, false],

  ["BinaryEquals", "QmluYXJ5", "QmluYXJ5", true],
  ["BinaryEquals", "QQ==", "QQ", true],
  ["BinaryEquals", "QQ==", "Qg==", false],

  ["IpAddress", "192.0.2.0/24", "192.0.2.255", true],
  ["IpAddress", "192.0.2.0/24", "192.0.3.0", false],
  ["IpAddress", "192.0.2.77/24", "192.0.2.1", true],
  ["IpAddress", "192.0.2.1", "192.0.2.1", true],
  ["IpAddress", "192.0.2.1", "192.0.2.2", false],
  ["IpAddress", "0.0.0.0/0", "203.0.113.9", true],
  ["IpAddress", "192.0.2.128/25", "192.0.2.127", false],
  ["IpAddress", "192.0.2.0/24", "::ffff:192.0.2.9", true],
  ["IpAddress", "::ffff:192.0.2.0/120", "192.0.2.9", true],
  ["IpAddress", "::ffff:192.0.2.0/120", "192.0.3.9", false],
  ["IpAddress", "2001:db8::/32", "2001:DB8:0:1::9", true],
  ["IpAddress", "2001:db8::/33", "2001:db8:8000::", false],
  ["IpAddress", "2001:db8::1", "2001:db8:0:0:0:0:0:1", true],
  ["IpAddress", "::/0", "2001:db8::1", true],
  ["IpAddress", "::/0", "192.0.2.1", false],
  ["IpAddress", "0.0.0.0/0", "2001:db8::1", false],
  ["IpAddress", ["10.0.0.0/8", "2001:db8::/32"], "2001:db8::1", true],
  ["IpAddress", "10.0.0.0/8", undefined, false],
  ["NotIpAddress", "10.0.0.0/8", "11.0.0.1", true],
  ["NotIpAddress", ["10.0.0.0/8", "11.0.0.0/8"], "11.0.0.1", false],
  ["NotIpAddress", "10.0.0.0/8", undefined, true],

  ["ArnLike", "arn:aws:s3:::b/*", "arn:aws:s3:::b/a:b/c", true],
  ["ArnEquals", "arn:aws:s3:::b/*", "arn:aws:s3:::b/a", true],
  ["ArnEquals", "arn:aws:s3:::b/a:b:*", "arn:aws:s3:::b/a:b:c", true],
  ["ArnEquals", "arn:aws:s3:::b/a:b", "arn:aws:s3:::b/a:c", false],
  ["ArnEquals", "arn:aws:s3:::B/*", "arn:aws:s3:::b/a", false],
  // The published example of a `*` that must not reach over a colon, and the string operator that lets it.
  [
    "ArnLike",
    "arn:aws:svc:*:111122223333:finance/*",
    "arn:aws:svc:us-east-2:999999999999:store/abc:111122223333:finance/d",
    false,
  ],
  [
    "StringLike",
    "arn:aws:svc:*:111122223333:finance/*",
    "arn:aws:svc:us-east-2:999999999999:store/abc:111122223333:finance/d",
    true,
  ],
  ["ArnLike", "arn:aws:iam::?:user/x", "arn:aws:iam::1:user/x", true],
  ["ArnLike", "*", "arn:aws:s3:::b", true],
  ["ArnLike", "*", "no ARN", false],
  ["ArnNotLike", "arn:aws:s3:::b/*", "arn:aws:s3:::b/a", false],
  ["ArnNotLike", ["arn:aws:s3:::a", "arn:aws:s3:::b"], "arn:aws:s3:::c", true],
  ["ArnNotEquals", "arn:aws:s3:::b", undefined, true],

  ["Null", "true", undefined, true],
  ["Null", "true", "x", false],
  ["Null", "false", "x", true],
  ["Null", false, undefined, false],
  ["Null", "true", [], true],

  ["StringEqualsIfExists", "a", undefined, true],
  ["StringEqualsIfExists", "a", "b", false],
  ["StringNotEqualsIfExists", "a", undefined, true],
  ["StringNotEqualsIfExists", "a", "a", false],
  ["IpAddressIfExists", "10.0.0.0/8", undefined, true],
  ["NumericLessThanIfExists", "10", "11", false],

  ["ForAllValues:StringEquals", ["a", "b", "c"], ["a", "b"], true],
  ["ForAllValues:StringEquals", ["a", "b"], ["a", "x"], false],
  ["ForAllValues:StringEquals", ["a"], [], true],
  ["ForAllValues:StringEquals", ["a"], undefined, true],
  ["ForAllValues:StringEquals", ["a"], "a", true],
  ["ForAllValues:StringNotEquals", ["a", "b"], ["c", "d"], true],
  ["ForAllValues:StringNotEquals", ["a", "b"], ["c", "b"], false],
  ["ForAllValues:StringLike", ["a*"], ["ab", "ac"], true],
  ["ForAnyValue:StringEquals", ["a", "b"], ["x", "b"], true],
  ["ForAnyValue:StringEquals", ["a", "b"], ["x", "y"], false],
  ["ForAnyValue:StringEquals", ["a"], undefined, false],
  ["ForAnyValue:StringEquals", ["a"], [], false],
  ["ForAnyValue:StringEqualsIfExists", ["a"], undefined, true],
  ["ForAnyValue:StringNotEquals", ["a"], ["a", "b"], true],
  ["ForAnyValue:StringNotEquals", ["a"], ["a"], false],
  ["ForAnyValue:StringNotEquals", ["a"], undefined, false],
  ["ForAnyValue:NumericGreaterThan", "10", ["1", "11"], true],

  // Without a set operator, a list's negated condition is the opposite of the plain one.
  ["StringEquals", "a", ["b", "a"], true],
  ["StringNotEquals", "a", ["b", "a"], false],
];

test.each(GOLDEN)("%s %p with %p: %p", (operator, own, value, expected) => {
  expect(holds({ operator, own, value })).toBe(expected);
  expect(holds({ operator, own, value, effect: "Deny" })).toBe(expected);
});

const VARIABLES: [own: string, value: string, expected: boolean][] = [
  ["${aws:username}", "alice", true],
  ["${AWS:UserName}", "alice", true],
  ["home/${aws:username}/*", "home/alice/x", true],
  ["home/${aws:username}/*", "home/bob/x", false],
  ["${skerry:userid}", "u1", true],
  ["${aws:PrincipalTag/team}", "red", true],
  ["${aws:PrincipalTag/other, 'none'}", "none", true],
  ["${ aws:PrincipalTag/other , 'a, b' }", "a, b", true],
  ["${aws:PrincipalTag/team, 'none'}", "none", false],
  ["${aws:PrincipalTag/other}", "", false],
  ["${*}", "*", true],
  ["${*}", "x", false],
  ["${?}${$}", "?$", true],
  ["a$b", "a$b", true],
  // A wildcard in a variable's value is a character.
  ["${aws:PrincipalTag/odd}", "ab", false],
  ["${aws:PrincipalTag/odd}", "a*", true],
];

test.each(VARIABLES)("the pattern %p with %p: %p", (own, value, expected) => {
  expect(holds({ operator: "StringLike", own, value })).toBe(expected);
});

test("variables in ARNs are one part each, whatever colons they have", () => {
  const own = "arn:aws:iam::${aws:PrincipalAccount}:user/${aws:username}";
  expect(holds({ operator: "ArnEquals", own, value: "arn:aws:iam::000000000000:user/alice" })).toBe(true);
  expect(holds({ operator: "ArnEquals", own, value: "arn:aws:iam::000000000000:user/bob" })).toBe(false);
});

test("in a document of the older version, or of none, a variable is text", () => {
  const own = "${aws:username}";
  for (const version of ["2008-10-17", undefined]) {
    expect(holds({ operator: "StringEquals", own, value: own, version: version ?? "2008-10-17" })).toBe(true);
  }
  const statement = { Effect: "Allow", Action: "*", Resource: "arn:aws:s3:::${aws:username}" };
  const policy = parsePolicy({ Statement: statement }, "identity");
  const on = (resource: string): boolean =>
    evaluate(new PolicyRequest({ principal: PRINCIPAL, action: "s3:GetObject", resource }), {
      identity: [policy],
    }).allowed;
  expect(on("arn:aws:s3:::alice")).toBe(false);
  expect(on("arn:aws:s3:::${aws:username}")).toBe(true);
});

test.each([
  ["StringEquals", "${aws:PrincipalTag/none}", false, false],
  ["StringNotEquals", "${aws:PrincipalTag/none}", false, true],
  ["ForAllValues:StringNotLike", "${aws:PrincipalTag/none}", false, true],
  ["ArnNotLike", "arn:aws:iam:::${aws:PrincipalTag/none}", false, true],
])("%s with a variable that has no value: Allow %p, Deny %p", (operator, own, allow, deny) => {
  const value = "arn:aws:iam:::x";
  expect(holds({ operator, own: own as string, value })).toBe(allow as boolean);
  expect(holds({ operator, own: own as string, value, effect: "Deny" })).toBe(deny as boolean);
});

test.each([
  ["NotIpAddress", "10.0.0.0/8", "unknown"],
  ["NumericNotEquals", "1", "many"],
  ["DateNotEquals", "2030", "soon"],
])(
  "%s with a value of another kind lets nobody in and keeps out who is to be kept out",
  (operator, own, value) => {
    expect(holds({ operator, own, value })).toBe(false);
    expect(holds({ operator, own, value, effect: "Deny" })).toBe(true);
  },
);

test("operators and keys are joined by AND", () => {
  const Condition = {
    StringEquals: { "test:a": "1", "test:b": ["1", "2"] },
    Bool: { "test:c": "true" },
  };
  const policy = parsePolicy(
    { Statement: { Effect: "Allow", Action: "*", Resource: "*", Condition } },
    "identity",
  );
  const allowed = (values: Record<string, string>): boolean =>
    evaluate(new PolicyRequest({ principal: PRINCIPAL, action: "s3:GetObject", resource: "x", values }), {
      identity: [policy],
    }).allowed;
  expect(allowed({ "test:a": "1", "test:b": "2", "test:c": "true" })).toBe(true);
  expect(allowed({ "test:a": "2", "test:b": "2", "test:c": "true" })).toBe(false);
  expect(allowed({ "test:a": "1", "test:b": "3", "test:c": "true" })).toBe(false);
  expect(allowed({ "test:a": "1", "test:b": "2", "test:c": "false" })).toBe(false);
});

test("nothing but the principal can say who asks", () => {
  for (const key of ["aws:username", "AWS:PrincipalArn", "skerry:userid", "aws:PrincipalTag/team"]) {
    const build = (): unknown =>
      new PolicyRequest({
        principal: null,
        action: "s3:GetObject",
        resource: "x",
        values: { [key]: "admin" },
      });
    expect(build).toThrow("comes from the principal");
  }
});
