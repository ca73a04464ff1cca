// The grammar: what is read, and what is refused where.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables look like that
import { expect, test } from "bun:test";
import { PolicyRequest } from "./context.ts";
import { evaluate } from "./evaluate.ts";
import { SEARCHES_MAX, STATEMENTS_MAX, VALUES_MAX } from "./limits.ts";
import { parsePolicy } from "./policy.ts";
import { refusalOf } from "./testing/expect-error.ts";
import { type SeededRandom, seededRandom } from "./testing/seeded-random.ts";

const OK = { Effect: "Allow", Action: "s3:GetObject", Resource: "*" };

function identity(statement: unknown): () => unknown {
  return () => parsePolicy({ Version: "2012-10-17", Statement: [statement] }, "identity");
}

function resource(statement: unknown): () => unknown {
  return () => parsePolicy({ Version: "2012-10-17", Statement: [statement] }, "resource");
}

function condition(element: unknown): () => unknown {
  return identity({ ...OK, Condition: element });
}

const REFUSED: [name: string, read: () => unknown, refusal: string][] = [
  ["no object", () => parsePolicy("[]", "identity"), "wrong_type policy"],
  ["no JSON", () => parsePolicy("{", "identity"), "malformed_json policy"],
  [
    "an unknown field",
    () => parsePolicy({ Statement: OK, Statements: [] }, "identity"),
    "unknown_field Statements",
  ],
  [
    "an unknown version",
    () => parsePolicy({ Version: "2012-10-18", Statement: OK }, "identity"),
    "invalid_value Version",
  ],
  ["an id that is no text", () => parsePolicy({ Id: 1, Statement: OK }, "identity"), "wrong_type Id"],
  ["no statement", () => parsePolicy({}, "identity"), "missing_field Statement"],
  ["no statements", () => parsePolicy({ Statement: [] }, "identity"), "missing_field Statement"],
  ["a statement that is text", () => parsePolicy({ Statement: "*" }, "identity"), "wrong_type Statement"],
  [
    "too many statements",
    () => parsePolicy({ Statement: new Array(STATEMENTS_MAX + 1).fill(OK) }, "identity"),
    "too_large Statement",
  ],
  [
    "two statements of one Sid",
    () =>
      parsePolicy(
        {
          Statement: [
            { ...OK, Sid: "A" },
            { ...OK, Sid: "A" },
          ],
        },
        "identity",
      ),
    "duplicate_sid Statement[1].Sid",
  ],
  [
    "an element that is there twice",
    () =>
      parsePolicy(
        '{"Statement":[{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}]}',
        "identity",
      ),
    "duplicate_key Statement[0].Effect",
  ],
  ["an unknown element", identity({ ...OK, Actions: "*" }), "unknown_field Statement[0].Actions"],
  ["an element in other case", identity({ ...OK, action: "*" }), "unknown_field Statement[0].action"],
  ["no effect", identity({ Action: "*", Resource: "*" }), "missing_field Statement[0].Effect"],
  ["an effect in other case", identity({ ...OK, Effect: "allow" }), "invalid_value Statement[0].Effect"],
  ["a Sid that is no text", identity({ ...OK, Sid: 1 }), "wrong_type Statement[0].Sid"],
  ["no action", identity({ Effect: "Deny", Resource: "*" }), "missing_field Statement[0].Action"],
  ["Action and NotAction", identity({ ...OK, NotAction: "*" }), "conflict Statement[0]"],
  ["Resource and NotResource", identity({ ...OK, NotResource: "*" }), "conflict Statement[0]"],
  ["no resource", identity({ Effect: "Deny", Action: "*" }), "missing_field Statement[0].Resource"],
  ["an empty list of actions", identity({ ...OK, Action: [] }), "missing_field Statement[0].Action"],
  [
    "an action that is no text",
    identity({ ...OK, Action: ["s3:*", 1] }),
    "wrong_type Statement[0].Action[1]",
  ],
  [
    "an action without a service",
    identity({ ...OK, Action: "GetObject" }),
    "invalid_value Statement[0].Action[0]",
  ],
  [
    "a service with a wildcard",
    identity({ ...OK, Action: "s*:Get" }),
    "invalid_value Statement[0].Action[0]",
  ],
  [
    "a variable in an action",
    identity({ ...OK, Action: "s3:${aws:x}" }),
    "invalid_value Statement[0].Action[0]",
  ],
  [
    "a resource that is no ARN",
    identity({ ...OK, Resource: "photos/*" }),
    "invalid_value Statement[0].Resource[0]",
  ],
  [
    "a variable in the service of an ARN",
    identity({ ...OK, Resource: "arn:aws:${aws:username}:::x" }),
    "invalid_value Statement[0].Resource[0]",
  ],
  [
    "a variable that never ends",
    identity({ ...OK, Resource: "arn:aws:s3:::${aws:x" }),
    "invalid_value Statement[0].Resource[0]",
  ],
  [
    "a variable without a prefix",
    identity({ ...OK, Resource: "arn:aws:s3:::${x}" }),
    "invalid_value Statement[0].Resource[0]",
  ],
  [
    "a variable with a bad default",
    identity({ ...OK, Resource: "arn:aws:s3:::${aws:x, y}" }),
    "invalid_value Statement[0].Resource[0]",
  ],
  [
    "a principal in an identity's policy",
    identity({ ...OK, Principal: "*" }),
    "conflict Statement[0].Principal",
  ],
  [
    "a NotPrincipal in an identity's policy",
    identity({ ...OK, NotPrincipal: "*" }),
    "conflict Statement[0].NotPrincipal",
  ],
  ["no principal in a resource's policy", resource(OK), "missing_field Statement[0].Principal"],
  [
    "both kinds of principal",
    resource({ ...OK, Principal: "*", NotPrincipal: "*" }),
    "conflict Statement[0]",
  ],
  [
    "NotPrincipal with Allow",
    resource({ ...OK, NotPrincipal: { AWS: "bob" } }),
    "conflict Statement[0].NotPrincipal",
  ],
  ["a principal that is text", resource({ ...OK, Principal: "bob" }), "wrong_type Statement[0].Principal"],
  ["an empty principal", resource({ ...OK, Principal: {} }), "missing_field Statement[0].Principal"],
  [
    "a principal of no names",
    resource({ ...OK, Principal: { AWS: [] } }),
    "missing_field Statement[0].Principal.AWS",
  ],
  [
    "a federated principal",
    resource({ ...OK, Principal: { Federated: "x" } }),
    "unknown_field Statement[0].Principal.Federated",
  ],
  [
    "a pattern of principals",
    resource({ ...OK, Principal: { AWS: "arn:aws:iam::000000000000:user/*" } }),
    "invalid_value Statement[0].Principal.AWS[0]",
  ],
  [
    "a group as principal",
    resource({ ...OK, Principal: { AWS: ["*", "arn:aws:iam::000000000000:group/g"] } }),
    "invalid_value Statement[0].Principal.AWS[1]",
  ],
  [
    "a principal that is a number",
    resource({ ...OK, Principal: { AWS: 123456789012 } }),
    "wrong_type Statement[0].Principal.AWS[0]",
  ],
  ["conditions in a list", condition([]), "wrong_type Statement[0].Condition"],
  [
    "an unknown operator",
    condition({ StringIs: { "aws:x": "1" } }),
    "unknown_operator Statement[0].Condition.StringIs",
  ],
  [
    "an operator in other case",
    condition({ stringequals: { "aws:x": "1" } }),
    "unknown_operator Statement[0].Condition.stringequals",
  ],
  [
    "IfExists twice",
    condition({ BoolIfExistsIfExists: { "aws:x": "1" } }),
    "unknown_operator Statement[0].Condition.BoolIfExistsIfExists",
  ],
  [
    "Null with IfExists",
    condition({ NullIfExists: { "aws:x": "true" } }),
    "unknown_operator Statement[0].Condition.NullIfExists",
  ],
  [
    "Null with a set operator",
    condition({ "ForAllValues:Null": { "aws:x": "true" } }),
    'unknown_operator Statement[0].Condition["ForAllValues:Null"]',
  ],
  ["keys in a list", condition({ Bool: ["aws:x"] }), "wrong_type Statement[0].Condition.Bool"],
  [
    "a key without a prefix",
    condition({ Bool: { x: "true" } }),
    "invalid_value Statement[0].Condition.Bool.x",
  ],
  [
    "a key twice, in other case",
    condition({ Bool: { "aws:x": "true", "AWS:X": "true" } }),
    'duplicate_key Statement[0].Condition.Bool["AWS:X"]',
  ],
  ["no value", condition({ Bool: { "aws:x": [] } }), 'missing_field Statement[0].Condition.Bool["aws:x"]'],
  [
    "a value that is null",
    condition({ Bool: { "aws:x": null } }),
    'wrong_type Statement[0].Condition.Bool["aws:x"][0]',
  ],
  [
    "no truth",
    condition({ Bool: { "aws:x": "yes" } }),
    'invalid_value Statement[0].Condition.Bool["aws:x"][0]',
  ],
  [
    "neither missing nor there",
    condition({ Null: { "aws:x": "no" } }),
    'invalid_value Statement[0].Condition.Null["aws:x"][0]',
  ],
  [
    "no number",
    condition({ NumericEquals: { "aws:x": ["1", "0x1"] } }),
    'invalid_value Statement[0].Condition.NumericEquals["aws:x"][1]',
  ],
  [
    "a number that no double holds",
    condition({ NumericEquals: { "aws:x": "9007199254740993" } }),
    'invalid_value Statement[0].Condition.NumericEquals["aws:x"][0]',
  ],
  [
    "no date",
    condition({ DateEquals: { "aws:x": "2030-02-30" } }),
    'invalid_value Statement[0].Condition.DateEquals["aws:x"][0]',
  ],
  [
    "a date without a zone",
    condition({ DateEquals: { "aws:x": "2030-02-03T04:05:06" } }),
    'invalid_value Statement[0].Condition.DateEquals["aws:x"][0]',
  ],
  [
    "no address",
    condition({ IpAddress: { "aws:x": "10.0.0" } }),
    'invalid_value Statement[0].Condition.IpAddress["aws:x"][0]',
  ],
  [
    "a prefix too long",
    condition({ IpAddress: { "aws:x": "10.0.0.0/33" } }),
    'invalid_value Statement[0].Condition.IpAddress["aws:x"][0]',
  ],
  [
    "an octal address",
    condition({ IpAddress: { "aws:x": "010.0.0.1" } }),
    'invalid_value Statement[0].Condition.IpAddress["aws:x"][0]',
  ],
  [
    "no base64",
    condition({ BinaryEquals: { "aws:x": "a b" } }),
    'invalid_value Statement[0].Condition.BinaryEquals["aws:x"][0]',
  ],
  [
    "no ARN",
    condition({ ArnLike: { "aws:x": "arn:aws:s3" } }),
    'invalid_value Statement[0].Condition.ArnLike["aws:x"][0]',
  ],
  [
    "too many values",
    condition({ StringEquals: { "aws:x": new Array(VALUES_MAX).fill("a") } }),
    "too_large Statement[0]",
  ],
  [
    "a long part with ?",
    identity({ ...OK, Resource: `arn:*${"a".repeat(32)}?*` }),
    "invalid_value Statement[0].Resource[0]",
  ],
  [
    "a part with ? and a variable",
    identity({ ...OK, Resource: "arn:aws:s3:::*${aws:username}?*" }),
    "invalid_value Statement[0].Resource[0]",
  ],
  [
    "a long part with ? in an action",
    identity({ ...OK, Action: `s3:*?${"a".repeat(32)}*` }),
    "invalid_value Statement[0].Action[0]",
  ],
  [
    "too many patterns with a variable and a wildcard",
    condition({ StringLike: { "aws:x": new Array(SEARCHES_MAX + 1).fill("${aws:x}*") } }),
    "too_large Statement[0]",
  ],
  [
    "too many patterns that search",
    condition({ StringLike: { "aws:x": new Array(SEARCHES_MAX + 1).fill("*a*") } }),
    "too_large Statement[0]",
  ],
];

test.each(REFUSED)("%s is refused", (_name, read, refusal) => {
  expect(refusalOf(read)).toBe(refusal);
});

test("the most and longest that is allowed is read", () => {
  const searching = [
    ...new Array(SEARCHES_MAX - 1).fill("*a*"),
    `*${"a".repeat(31)}?*`,
    "a*",
    "*a",
    "${aws:x}",
  ];
  expect(condition({ StringLike: { "aws:x": searching } })).not.toThrow();
  expect(condition({ StringEquals: { "aws:x": new Array(VALUES_MAX - 2).fill("a") } })).not.toThrow();
});

test("what is refused is told with what to do", () => {
  expect(condition({ stringequals: { "aws:x": "1" } })).toThrow(
    "Statement[0].Condition.stringequals: is no condition operator; write StringEquals",
  );
  expect(resource({ ...OK, Principal: { AWS: "arn:aws:iam::1:user/*" } })).toThrow(
    "ArnLike on aws:PrincipalArn",
  );
});

test("an empty Sid is none, and any number of statements may have it", () => {
  const policy = parsePolicy(
    {
      Statement: [
        { ...OK, Sid: "" },
        { ...OK, Sid: "" },
      ],
    },
    "identity",
    "own",
  );
  const request = new PolicyRequest({ principal: USER, action: "s3:GetObject", resource: "x" });
  expect(evaluate(request, { identity: [policy] }).by).toEqual({ policy: "own", statement: 0 });
});

const USER = { kind: "user", account: "000000000000", id: "u1", name: "alice" } as const;

test("a policy is called by the name it is given, else by its Id", () => {
  const request = new PolicyRequest({ principal: USER, action: "s3:GetObject", resource: "x" });
  const document = { Id: "mine", Statement: { ...OK, Sid: "S" } };
  const called = (name?: string): unknown =>
    evaluate(request, { identity: [parsePolicy(document, "identity", name)] }).by;
  expect(called()).toEqual({ policy: "mine", statement: 0, sid: "S" });
  expect(called("role/member")).toEqual({ policy: "role/member", statement: 0, sid: "S" });
});

/** Nearly policies: mostly sound, with something odd in a place that is drawn. */
function nearlyPolicy(random: SeededRandom): unknown {
  const odd = (sound: unknown): unknown =>
    random.chance(0.93)
      ? sound
      : random.of([
          null,
          0,
          "",
          "*",
          [],
          {},
          [[]],
          [null],
          "${",
          "${aws:x}",
          "a".repeat(5000),
          { __proto__: null },
        ]);
  const statement = (): unknown =>
    odd({
      [random.chance(0.98) ? "Effect" : "effect"]: odd(random.of(["Allow", "Deny"])),
      [random.of(["Action", "NotAction"])]: odd(["s3:Get*", "*"]),
      [random.of(["Resource", "NotResource"])]: odd("arn:aws:s3:::b/${aws:username}/*"),
      ...(random.chance(0.5) && { Principal: odd({ AWS: odd("*") }) }),
      ...(random.chance(0.5) && {
        Condition: odd({
          [random.of(["StringLike", "IpAddress", "ForAllValues:ArnLike", "Null", "DateLessThan"])]: odd({
            "aws:x": odd(random.of(["true", "10.0.0.1", "a*b*c", "2030", "arn:aws:s3:::*"])),
          }),
        }),
      }),
    });
  return odd({
    Version: odd("2012-10-17"),
    Statement: odd(random.chance(0.5) ? statement() : [statement()]),
  });
}

test("whatever it is given, the parser returns a policy or refuses with a code, and what it returns can be evaluated", () => {
  const random = seededRandom(5);
  const request = new PolicyRequest({
    principal: USER,
    action: "s3:GetObject",
    resource: "arn:aws:s3:::b/alice/x",
    values: { "aws:x": "true" },
  });
  let read = 0;
  for (let round = 0; round < 20_000; round++) {
    let document = nearlyPolicy(random);
    if (random.chance(0.3)) {
      const text = JSON.stringify(document) ?? "";
      const at = random.below(text.length + 1);
      document =
        text.slice(0, at) +
        random.of(['"', "{", "}", ",", "\\u0000", "9"]) +
        text.slice(at + random.below(3));
    }
    const kind = random.of(["identity", "resource"] as const);
    let policy: ReturnType<typeof parsePolicy>;
    try {
      policy = parsePolicy(document, kind);
    } catch {
      refusalOf(() => parsePolicy(document, kind));
      continue;
    }
    read++;
    const set =
      policy.kind === "identity"
        ? { identity: [policy as ReturnType<typeof parsePolicy<"identity">>] }
        : { identity: [], resource: policy as ReturnType<typeof parsePolicy<"resource">> };
    expect(typeof evaluate(request, set).allowed).toBe("boolean");
  }
  expect(read).toBeGreaterThan(2000);
});
