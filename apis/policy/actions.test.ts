import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { evaluate } from "../../std/policy/evaluate.ts";
import { parsePolicy } from "../../std/policy/policy.ts";
import { ACTIONS, type Action, factsOf, isAction, SERVICES } from "./actions.ts";
import { requestFor } from "./request.ts";
import { bucketName, objectName, resourceName } from "./resource-names.ts";
import type { ServiceTable } from "./services/table.ts";

const STORAGE = join(import.meta.dir, "../storage");
const ALICE = { kind: "user", account: "000000000000", id: "u1", name: "alice" } as const;

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
    .map((path) => readFileSync(join(folder, path), "utf8"));
}

test("every action that storage asks for is in the catalogue", () => {
  const asked = new Set(
    // Condition keys such as s3:prefix begin with a small letter.
    sources(STORAGE).flatMap((text) => text.match(/(?<=")(?:s3|storage):[A-Z][A-Za-z]*(?=")/g) ?? []),
  );
  expect(asked.size).toBeGreaterThan(30);
  // The audit log's name for a request whose sender was not proved: nobody asks for it.
  asked.delete("s3:Authenticate");
  expect([...asked].filter((action) => !isAction(action))).toEqual([]);
});

test("every action is on a kind of its service, and its verb fits its level", () => {
  for (const [service, { kinds, actions }] of Object.entries<ServiceTable>(SERVICES)) {
    for (const [name, { kind, level, verb }] of Object.entries(actions)) {
      const what = `${service}:${name}`;
      expect([what, Object.keys(kinds)]).toEqual([what, expect.arrayContaining([kind])]);
      // Whoever may only read must not be able to change, nor whoever may only change to give permissions.
      expect([what, verb === "read"]).toEqual([what, level === "read" || level === "list"]);
      expect([what, verb === "grant"]).toEqual([what, level === "permissions"]);
    }
  }
});

test("what contains a kind is a kind of the same service", () => {
  for (const { kinds } of Object.values<ServiceTable>(SERVICES)) {
    for (const { within } of Object.values(kinds))
      if (within !== undefined) expect(kinds).toHaveProperty(within);
  }
});

test("names are told apart in any case, since policies are", () => {
  expect(new Set(ACTIONS.map((action) => action.toLowerCase())).size).toBe(ACTIONS.length);
  expect(ACTIONS.length).toBeGreaterThan(140);
});

test("a policy can name every action, alone", () => {
  for (const action of ACTIONS) {
    const statement = { Effect: "Allow", Action: action, Resource: "*" };
    const policies = { identity: [parsePolicy({ Statement: statement }, "identity")] };
    const allowed = ACTIONS.filter((other) => {
      // The resource does not matter here.
      const resource = bucketName("photos") as never;
      return evaluate(requestFor({ principal: ALICE, action: other, resource }), policies).allowed;
    });
    expect(allowed).toEqual([action]);
  }
});

test("an action that is not there, or on another kind of resource, does not compile", () => {
  const principal = ALICE;
  // @ts-expect-error
  const unknown: Action = "s3:GetEverything";
  expect(isAction(unknown)).toBe(false);
  requestFor({ principal, action: "s3:GetObject", resource: objectName("photos", "a") });
  // @ts-expect-error
  requestFor({ principal, action: "s3:GetObject", resource: bucketName("photos") });
  // @ts-expect-error
  requestFor({ principal, action: "s3:GetObject", resource: "arn:aws:s3:::photos/a" });
  // @ts-expect-error
  requestFor({ principal, action: "auth:RevokeToken", resource: resourceName("auth", "u1", "session", "x") });
  // @ts-expect-error
  expect(() => resourceName("events", "u1", "session", "x")).not.toThrow();
});

test("a request tells what the catalogue knows of its action, whatever else it is given", () => {
  const { context } = requestFor({
    principal: ALICE,
    action: "s3:PutBucketPolicy",
    resource: bucketName("photos"),
    owner: "u2",
    values: { "skerry:AccessLevel": "read", "SKERRY:actionverb": "read", "skerry:ResourceOwner": "u1" },
  });
  expect(factsOf("s3:PutBucketPolicy")).toEqual({ kind: "bucket", level: "permissions", verb: "grant" });
  expect(context.get("skerry:accesslevel")).toBe("permissions");
  expect(context.get("skerry:actionverb")).toBe("grant");
  expect(context.get("skerry:resourcekind")).toBe("bucket");
  expect(context.get("skerry:resourceowner")).toBe("u2");
});
