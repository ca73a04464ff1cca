// What holds for all policies, tried with random ones.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables look like that
import { expect, test } from "bun:test";
import { type ContextValue, PolicyRequest, type Principal } from "./context.ts";
import { evaluate, type PolicySet } from "./evaluate.ts";
import { parsePolicy } from "./policy.ts";
import type { PolicyKind } from "./statement.ts";
import { type SeededRandom, seededRandom } from "./testing/seeded-random.ts";

const ROUNDS = 2000;
const ACCOUNT = "000000000000";

interface StatementDocument {
  Effect: "Allow" | "Deny";
  [element: string]: unknown;
}

interface Documents {
  identity: StatementDocument[][];
  resource?: StatementDocument[];
  boundary?: StatementDocument[];
  session: StatementDocument[][];
}

const ACTIONS = ["s3:GetObject", "s3:Get*", "s3:*", "*", "s3:PutObject", "auth:*", "s3:?etObject"];
const RESOURCES = [
  "*",
  "arn:aws:s3:::b",
  "arn:aws:s3:::b/*",
  "arn:aws:s3:::*/x",
  "arn:aws:s3:::b/${aws:username}/*",
  "arn:aws:s3:::b/${aws:PrincipalTag/team}/*",
];
const PRINCIPALS = [
  "*",
  { AWS: "u1" },
  { AWS: [`arn:aws:iam::${ACCOUNT}:user/bob`, "u1"] },
  { AWS: ACCOUNT },
  { Service: "logs" },
];
const CONDITIONS = [
  {},
  { StringEquals: { "aws:username": ["alice", "bob"] } },
  { StringNotLike: { "s3:prefix": "a*" } },
  { IpAddress: { "aws:SourceIp": ["10.0.0.0/8", "::1"] } },
  { NotIpAddressIfExists: { "aws:SourceIp": "10.0.0.0/9" } },
  { "ForAllValues:StringEquals": { "s3:tags": ["a", "b"] } },
  { "ForAnyValue:StringNotEquals": { "s3:tags": ["a", "${aws:PrincipalTag/team}"] } },
  { Null: { "s3:prefix": "true" }, NumericLessThan: { "s3:max-keys": "10" } },
  { DateGreaterThan: { "aws:CurrentTime": "2030-01-01" } },
];

function statement(random: SeededRandom, kind: PolicyKind, effect?: "Allow" | "Deny"): StatementDocument {
  const Effect = effect ?? (random.chance(0.7) ? "Allow" : "Deny");
  const not = (): string => (random.chance(0.15) ? "Not" : "");
  const notPrincipal = Effect === "Deny" ? not() : "";
  return {
    Effect,
    [`${not()}Action`]: random.chance(0.5) ? random.of(ACTIONS) : [random.of(ACTIONS), random.of(ACTIONS)],
    [`${not()}Resource`]: random.chance(0.5)
      ? random.of(RESOURCES)
      : [random.of(RESOURCES), random.of(RESOURCES)],
    ...(kind === "resource" && { [`${notPrincipal}Principal`]: random.of(PRINCIPALS) }),
    Condition: random.chance(0.5) ? {} : random.of(CONDITIONS),
  };
}

function list<T>(random: SeededRandom, countMax: number, one: () => T): T[] {
  return Array.from({ length: random.below(countMax + 1) }, one);
}

function documents(random: SeededRandom): Documents {
  const some = (kind: PolicyKind): StatementDocument[] => [
    statement(random, kind),
    ...list(random, 3, () => statement(random, kind)),
  ];
  return {
    identity: list(random, 3, () => some("identity")),
    session: random.chance(0.7) ? [] : list(random, 2, () => some("identity")),
    ...(random.chance(0.5) && { resource: some("resource") }),
    ...(random.chance(0.3) && { boundary: some("identity") }),
  };
}

function compiled({ identity, resource, boundary, session }: Documents): PolicySet {
  const read = <K extends PolicyKind>(statements: StatementDocument[], kind: K) =>
    parsePolicy(JSON.stringify({ Version: "2012-10-17", Statement: statements }), kind);
  return {
    identity: identity.map((statements) => read(statements, "identity")),
    session: session.map((statements) => read(statements, "identity")),
    ...(resource && { resource: read(resource, "resource") }),
    ...(boundary && { boundary: read(boundary, "identity") }),
  };
}

function request(random: SeededRandom): PolicyRequest {
  const tags = new Map(random.chance(0.5) ? [["team", random.of(["red", "*"])]] : []);
  const principal = random.of<Principal | null>([
    null,
    { kind: "user", account: ACCOUNT, id: "u1", name: "alice", tags },
    { kind: "user", account: ACCOUNT, id: "u2", name: "bob", tags },
    { kind: "service", name: "logs" },
  ]);
  const maybe = (value: ContextValue): ContextValue | undefined => (random.chance(0.6) ? value : undefined);
  return new PolicyRequest({
    principal,
    action: random.of(["s3:GetObject", "s3:PutObject", "auth:GetUser", "S3:getobject", "odd"]),
    resource: random.of([
      "arn:aws:s3:::b",
      "arn:aws:s3:::b/alice/x",
      "arn:aws:s3:::b/red/x",
      "arn:aws:s3:::*/x",
      "",
    ]),
    values: {
      "aws:SourceIp": maybe(random.of(["10.1.2.3", "::ffff:10.200.0.1", "::1", "unknown"])),
      "aws:CurrentTime": maybe(random.of(["2031-01-01T00:00:00Z", "never"])),
      "s3:prefix": maybe(random.of(["", "ab", "b"])),
      "s3:tags": maybe(random.of([[], ["a"], ["a", "c"], ["red"]])),
      "s3:max-keys": maybe(random.of([5, "100", "x"])),
    },
  });
}

/** Each round's draw; the outcomes must not be all the same, or nothing was tried. */
function inManyRounds(seed: number, round: (random: SeededRandom) => boolean): void {
  const random = seededRandom(seed);
  let allowed = 0;
  for (let count = 0; count < ROUNDS; count++) if (round(random)) allowed++;
  expect(allowed).toBeGreaterThan(ROUNDS / 100);
  expect(allowed).toBeLessThan((ROUNDS * 99) / 100);
}

/** All lists of statements in it, so that one of them can be changed. */
function lists({ identity, resource, boundary, session }: Documents): [StatementDocument[], PolicyKind][] {
  const found: [StatementDocument[], PolicyKind][] = [...identity, ...session].map((one) => [
    one,
    "identity",
  ]);
  if (boundary) found.push([boundary, "identity"]);
  if (resource) found.push([resource, "resource"]);
  return found;
}

test("a Deny that applies decides, wherever it is and whatever else is there", () => {
  inManyRounds(11, (random) => {
    const drawn = documents(random);
    const asked = request(random);
    const before = evaluate(asked, compiled(drawn));
    const deny = { Effect: "Deny", Action: "*", Resource: "*" } as const;
    const place = random.below(lists(drawn).length + 1);
    const found = lists(drawn)[place];
    if (found === undefined) drawn.identity.push([deny]);
    else
      found[0].splice(
        random.below(found[0].length + 1),
        0,
        found[1] === "resource" ? { ...deny, Principal: "*" } : deny,
      );
    expect(evaluate(asked, compiled(drawn)).reason).toBe("explicit-deny");
    return before.allowed;
  });
});

test("another Allow never takes anything away", () => {
  inManyRounds(12, (random) => {
    const drawn = documents(random);
    const asked = request(random);
    const before = evaluate(asked, compiled(drawn));
    for (const [statements, kind] of lists(drawn)) statements.push(statement(random, kind, "Allow"));
    const after = evaluate(asked, compiled(drawn));
    if (before.allowed) expect(after.allowed).toBe(true);
    expect(after.reason === "explicit-deny").toBe(before.reason === "explicit-deny");
    return before.allowed;
  });
});

test("another limit never gives anything", () => {
  inManyRounds(13, (random) => {
    const drawn = documents(random);
    const asked = request(random);
    const before = evaluate(asked, compiled(drawn));
    drawn.session.push([statement(random, "identity"), statement(random, "identity")]);
    const limited = evaluate(asked, compiled(drawn));
    if (!before.allowed) expect(limited.allowed).toBe(false);
    return before.allowed;
  });
});

test("neither the order of policies nor that of statements matters", () => {
  inManyRounds(14, (random) => {
    const drawn = documents(random);
    const asked = request(random);
    const before = evaluate(asked, compiled(drawn));
    drawn.identity.reverse();
    drawn.session.reverse();
    for (const [statements] of lists(drawn)) statements.reverse();
    const after = evaluate(asked, compiled(drawn));
    expect([after.reason, after.layer === before.layer || after.reason !== "implicit-deny"]).toEqual([
      before.reason,
      true,
    ]);
    return before.allowed;
  });
});

test("strangers have what is allowed to everybody, and nothing else", () => {
  inManyRounds(15, (random) => {
    const drawn = documents(random);
    const asked = request(random);
    const stranger = new PolicyRequest({
      principal: null,
      action: asked.action,
      resource: asked.resource,
    });
    const { allowed, layer, by } = evaluate(stranger, compiled(drawn));
    if (!allowed) return false;
    expect(layer).toBe("resource");
    expect(drawn.resource?.[by!.statement]?.Principal).toBe("*");
    return true;
  });
});

test("each statement counts the same whether it is indexed by service or not", () => {
  inManyRounds(16, (random) => {
    const drawn = documents(random);
    const asked = request(random);
    const before = evaluate(asked, compiled(drawn));
    for (const [statements] of lists(drawn)) {
      for (const one of statements) {
        // An action that is never asked for, in a policy of every service.
        if (Array.isArray(one.Action)) one.Action = [...(one.Action as string[]), "none:Nothing"];
        else if (typeof one.Action === "string") one.Action = [one.Action, "none:Nothing"];
      }
    }
    expect(evaluate(asked, compiled(drawn)).reason).toBe(before.reason);
    return before.allowed;
  });
});
