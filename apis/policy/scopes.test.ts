// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables look like that
import { expect, test } from "bun:test";
import type { PolicyRequest, Principal } from "../../std/policy/context.ts";
import { evaluate } from "../../std/policy/evaluate.ts";
import type { Policy } from "../../std/policy/policy.ts";
import { seededRandom } from "../../std/policy/testing/seeded-random.ts";
import { ACTIONS, type Action, factsOf } from "./actions.ts";
import { requestFor } from "./request.ts";
import {
  bucketName,
  bucketsName,
  collectionName,
  objectName,
  type ResourceName,
  resourceName,
} from "./resource-names.ts";
import { policyOfRole } from "./roles.ts";
import { parseScopes, policyOfScopes, SCOPES_MAX, ScopeError } from "./scopes.ts";

const USERS = new Map([
  ["alice", "u1"],
  ["bob", "u2"],
]);
const ALICE: Principal = { kind: "user", account: "000000000000", id: "u1", name: "alice" };

function token(scopes: Record<string, unknown>): Policy<"identity"> {
  return policyOfScopes(parseScopes(scopes), (user) => (user === "u1" ? "u1" : USERS.get(user)), "token/t1");
}

function ask<A extends Action>(action: A, resource: string, owner?: string): PolicyRequest {
  return requestFor({ principal: ALICE, action, resource: resource as never, ...(owner && { owner }) });
}

const PHOTOS = bucketName("photos");
const A_PHOTO = objectName("photos", "a.jpg");
const A_KEY = resourceName("auth", "u1", "access-key", "AK1");

test.each<[scopes: Record<string, unknown>, request: PolicyRequest, allowed: boolean]>([
  [{ "storage.alice.bucket.photos": ["read"] }, ask("s3:GetObject", A_PHOTO, "u1"), true],
  [{ "storage.alice.bucket.photos": ["read"] }, ask("s3:ListBucket", PHOTOS, "u1"), true],
  [{ "storage.alice.bucket.photos": ["read"] }, ask("s3:PutObject", A_PHOTO, "u1"), false],
  [{ "storage.alice.bucket.photos": ["read"] }, ask("s3:GetObject", objectName("photos2", "a"), "u1"), false],
  [{ "storage.alice.bucket.photos": ["read"] }, ask("s3:ListBucket", bucketName("photos.old"), "u1"), false],
  [{ "storage.alice.bucket.photos": ["read"] }, ask("s3:ListAllMyBuckets", bucketsName(), "u1"), false],
  // A bucket of that name that is somebody else's is another bucket.
  [{ "storage.alice.bucket.photos": ["read"] }, ask("s3:GetObject", A_PHOTO, "u2"), false],
  [{ "storage.alice.bucket.photos": ["read"] }, ask("s3:GetObject", A_PHOTO), false],
  [{ "storage.bob.bucket.photos": ["read"] }, ask("s3:GetObject", A_PHOTO, "u2"), true],
  [{ "storage.u1.bucket.photos": ["read"] }, ask("s3:GetObject", A_PHOTO, "u1"), true],
  [{ "storage.*.bucket.photos": ["read"] }, ask("s3:GetObject", A_PHOTO, "u2"), true],
  [
    { "storage.alice.bucket.my.photos": ["read"] },
    ask("s3:GetObject", objectName("my.photos", "a"), "u1"),
    true,
  ],
  [{ "storage.alice.object.photos": ["read"] }, ask("s3:GetObject", A_PHOTO, "u1"), true],
  [{ "storage.alice.object.photos": ["read"] }, ask("s3:ListBucket", PHOTOS, "u1"), false],
  [{ "storage.alice.bucket": ["create"] }, ask("s3:CreateBucket", PHOTOS, "u1"), true],
  [{ "storage.alice.bucket.*": ["create"] }, ask("s3:CreateBucket", PHOTOS, "u1"), true],
  [{ "storage.alice": ["read"] }, ask("s3:ListAllMyBuckets", bucketsName(), "u1"), true],
  [{ "storage.alice.*": ["read"] }, ask("s3:GetObject", A_PHOTO, "u1"), true],
  [
    { "storage.alice.*": ["read"] },
    ask("auth:GetUser", resourceName("auth", "u1", "user", "u1"), "u1"),
    false,
  ],
  [
    { "storage.alice.*": ["create", "read", "update", "delete"] },
    ask("s3:PutBucketPolicy", PHOTOS, "u1"),
    false,
  ],
  [{ "storage.alice.*": ["grant"] }, ask("s3:PutBucketPolicy", PHOTOS, "u1"), true],
  [
    { "storage.alice.bucket.photos": ["read"], "storage.alice.bucket.inbox": ["create"] },
    ask("s3:PutObject", A_PHOTO, "u1"),
    false,
  ],
  [
    { "storage.alice.bucket.photos": ["read"], "storage.alice.bucket.inbox": ["create"] },
    ask("s3:PutObject", objectName("inbox", "a"), "u1"),
    true,
  ],
  [{ "auth.alice.access-key": ["create"] }, ask("auth:CreateAccessKey", A_KEY, "u1"), true],
  [{ "auth.alice.access-key": ["create"] }, ask("auth:DeleteAccessKey", A_KEY, "u1"), false],
  [{ "auth.alice.access-key.AK1": ["delete"] }, ask("auth:DeleteAccessKey", A_KEY, "u1"), true],
  [{ "auth.alice.access-key.AK2": ["delete"] }, ask("auth:DeleteAccessKey", A_KEY, "u1"), false],
  [
    { "auth.alice.access-key": ["read"] },
    ask("auth:ListAccessKeys", collectionName("auth", "u1", "access-key"), "u1"),
    true,
  ],
  [
    { "auth.alice.access-key": ["read"] },
    ask("auth:ListAccessKeys", collectionName("auth", "", "access-key")),
    false,
  ],
  [
    { "auth.alice.*": ["create"] },
    ask("auth:CreateToken", resourceName("auth", "u2", "token", "t9"), "u2"),
    false,
  ],
  [{ "events.*": ["read"] }, ask("events:TailEvents", collectionName("events", "", "event")), true],
  [
    { "events.*.dead-letter": ["update"] },
    ask("events:ReplayDeadLetters", collectionName("events", "", "dead-letter")),
    true,
  ],
])("%j, case %#", (scopes, request, allowed) => {
  expect(evaluate(request, { identity: [policyOfRole("admin")], session: [token(scopes)] }).allowed).toBe(
    allowed,
  );
});

const BAD: [input: unknown, message: string][] = [
  [null, "scopes are an object"],
  [["storage.alice.*"], "scopes are an object"],
  [{}, "at least one scope"],
  [
    Object.fromEntries(
      Array.from({ length: SCOPES_MAX + 1 }, (_, n) => [`storage.alice.bucket.b${n}`, ["read"]]),
    ),
    "at most 32",
  ],
  [{ storage: ["read"] }, "says not whose"],
  [{ "*": ["read"] }, "begins with no service"],
  [{ "": ["read"] }, "begins with no service"],
  [{ "compute.alice.*": ["read"] }, "begins with no service; use storage, auth, events"],
  [{ "__proto__.alice": ["read"] }, "begins with no service"],
  [{ "s3.alice.*": ["read"] }, "begins with no service"],
  [{ "storage..bucket": ["read"] }, "has no user in it"],
  [{ "storage.a*.bucket": ["read"] }, "has no user in it"],
  [{ "storage.${aws:username}.bucket": ["read"] }, "has no user in it"],
  [{ "storage.carol.bucket": ["read"] }, "is about a user that is not there"],
  [{ "storage.first.last.bucket": ["read"] }, "has no such kind of resource"],
  [
    { "storage.alice.buckets*": ["read"] },
    "has no such kind of resource; use buckets, bucket, object, cluster",
  ],
  [{ "storage.alice.*.photos": ["read"] }, "has a * before its end"],
  [{ "storage.alice.bucket.": ["read"] }, "has no id at its end"],
  [{ "storage.alice.bucket.pho*": ["read"] }, "has no id at its end"],
  [{ "storage.alice.bucket.photos/2024": ["read"] }, "has no id at its end"],
  [{ "storage.alice.bucket.photos": [] }, "needs a list of verbs"],
  [{ "storage.alice.bucket.photos": "read" }, "needs a list of verbs"],
  [{ "storage.alice.bucket.photos": ["Read"] }, "needs a list of verbs"],
  [{ "storage.alice.bucket.photos": ["*"] }, "needs a list of verbs"],
  [{ "storage.alice.bucket.photos": ["read", "read"] }, "needs a list of verbs, each once"],
  [{ "storage.alice.bucket.photos": [["read"]] }, "needs a list of verbs"],
  [{ "events.alice.event": ["create"] }, "has nothing that one could create"],
];

test.each(BAD)("%j is refused: %s", (input, message) => {
  const read = (): unknown => token(input as Record<string, unknown>);
  expect(read).toThrow(ScopeError);
  expect(read).toThrow(message);
});

test("as many scopes as a token may have, of the longest names, make one policy", () => {
  const scopes = Object.fromEntries(
    Array.from({ length: SCOPES_MAX }, (_, n) => [
      `${n % 2 ? "storage" : "auth"}.${"a".repeat(125)}${n + 100}.${n % 2 ? "bucket" : "service-account"}.${"b".repeat(128)}`,
      ["create", "read", "update", "delete", "grant"].filter((verb) => n % 2 === 1 || verb !== "update"),
    ]),
  );
  expect(policyOfScopes(parseScopes(scopes), (user) => user, "t").kind).toBe("identity");
});

const SCOPES = [
  "storage.alice.bucket.photos",
  "storage.alice.object",
  "storage.bob.bucket.photos",
  "storage.*",
  "auth.alice.access-key",
  "auth.alice.token",
  "auth.*.user",
  "events.*",
];
const VERB_LISTS = [
  ["read"],
  ["read", "update"],
  ["create", "delete"],
  ["grant"],
  ["create", "read", "update", "delete", "grant"],
];

/** One request for each action, on something of alice and on something of bob. */
function everyRequest(): PolicyRequest[] {
  return ["u1", "u2"].flatMap((owner) =>
    ACTIONS.map((action) => ask(action, exampleOf(action, owner), owner)),
  );
}

function exampleOf(action: Action, owner: string): ResourceName {
  const { kind } = factsOf(action);
  if (kind === "buckets") return bucketsName();
  if (kind === "bucket") return PHOTOS;
  if (kind === "object") return A_PHOTO;
  const service = action.slice(0, action.indexOf(":"));
  return `arn:skerry:${service}::${owner}:${kind}/x1` as ResourceName;
}

test("S12: a token has no more than the token that made it, nor than its maker, whatever its scopes say", () => {
  const random = seededRandom(21);
  const requests = everyRequest();
  const drawn = (): Policy<"identity"> => {
    for (;;) {
      const scopes = Object.fromEntries(
        Array.from({ length: 1 + random.below(3) }, () => [random.of(SCOPES), random.of(VERB_LISTS)]),
      );
      try {
        return token(scopes);
      } catch (error) {
        if (!(error instanceof ScopeError)) throw error;
      }
    }
  };
  let lost = 0;
  let kept = 0;
  for (let round = 0; round < 200; round++) {
    const identity = [policyOfRole(random.of(["admin", "member", "read-only"]))];
    const narrow = drawn();
    const wide = drawn();
    for (const request of requests) {
      const minted = evaluate(request, { identity, session: [narrow, wide] }).allowed;
      const maker = evaluate(request, { identity, session: [narrow] }).allowed;
      const alone = evaluate(request, { identity, session: [wide] }).allowed;
      expect(minted).toBe(maker && alone);
      if (maker) expect(evaluate(request, { identity }).allowed).toBe(true);
      if (alone && !minted) lost++;
      if (minted) kept++;
    }
  }
  expect(lost).toBeGreaterThan(1000);
  expect(kept).toBeGreaterThan(1000);
});
