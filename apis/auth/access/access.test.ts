import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { delay, systemClock } from "../../../std/clock.ts";
import { bucketName, objectName } from "../../policy/resource-names.ts";
import type { Principal } from "../identity.ts";
import type { AuthService } from "../service.ts";
import { AuthBench, PASSWORD, refusal } from "../test-auth.ts";
import { GROUPS_PER_USER_MAX, ROLES_PER_TARGET_MAX } from "./limits.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

let bench: AuthBench;
let auth: AuthService;

beforeAll(async () => {
  bench = await AuthBench.start();
  ({ auth } = await bench.open("main"));
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
  for (const name of ["alice", "bob"]) await auth.createUser({ name, password: PASSWORD });
  await auth.roles.create("photo-reader", reading("arn:aws:s3:::photos/*"));
});

afterAll(() => bench.stop());

function reading(resource: string) {
  return {
    Version: "2012-10-17",
    Statement: [{ Sid: "Read", Effect: "Allow", Action: "s3:GetObject", Resource: resource }],
  };
}

const photo = { resource: objectName("photos", "a.jpg"), owner: "somebody" };
const ofUser = (name: string) => auth.principalNamed(name);
const mayRead = (principal: Principal, at = auth) => at.access.decide(principal, "s3:GetObject", photo);
const user = (name: string) => ({ kind: "user", name }) as const;

test("a user has the roles of the groups they are in, as long as they are in them", async () => {
  await auth.groups.create("Editors");
  await auth.attachments.attach({ kind: "group", name: "editors" }, "Photo-Reader");
  expect(mayRead(ofUser("bob")).allowed).toBe(false);
  await auth.groups.addMember("editors", "BOB");
  expect(mayRead(ofUser("bob"))).toEqual({
    allowed: true,
    reason: "allowed",
    layer: "identity",
    by: { policy: "role/photo-reader", statement: 0, sid: "Read" },
  });
  expect(await auth.groups.get("editors")).toMatchObject({ members: ["bob"], roles: ["photo-reader"] });
  expect(await auth.userWithAccess("bob")).toMatchObject({ groups: ["editors"], roles: ["member"] });
  await auth.groups.rename("editors", "writers");
  expect(mayRead(ofUser("bob")).allowed).toBe(true);
  await auth.groups.removeMember("writers", "bob");
  expect(mayRead(ofUser("bob")).allowed).toBe(false);
  await auth.groups.addMember("writers", "bob");
  await auth.groups.remove("writers");
  expect(mayRead(ofUser("bob")).allowed).toBe(false);
  expect(await refusal(auth.groups.get("writers"))).toBe("not_found");
});

test("a change of a role counts at once, here and within a second elsewhere", async () => {
  const there = (await bench.open("main")).auth;
  await auth.roles.create("changing", reading("arn:aws:s3:::elsewhere/*"));
  await auth.attachments.attach(user("alice"), "changing");
  expect(mayRead(ofUser("alice")).allowed).toBe(false);
  const startedAt = performance.now();
  await auth.roles.update("changing", reading("arn:aws:s3:::photos/*"));
  expect(mayRead(ofUser("alice")).allowed).toBe(true);
  while (!mayRead(there.principalNamed("alice"), there).allowed) await delay(systemClock, 1);
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  expect(await refusal(auth.roles.remove("changing"))).toBe("role_in_use");
  await auth.attachments.detach(user("alice"), "changing");
  await auth.roles.remove("changing");
});

test("S12: a boundary takes away, and gives nothing", async () => {
  const alice = ofUser("alice");
  const own = { resource: bucketName("hers"), owner: alice.userId };
  const mayDelete = () => auth.access.decide(ofUser("alice"), "s3:DeleteBucket", own);
  expect(mayDelete().allowed).toBe(true);
  await auth.attachments.setBoundary(user("alice"), "read-only");
  expect(mayDelete()).toEqual({ allowed: false, reason: "implicit-deny", layer: "boundary" });
  expect(mayRead(ofUser("alice")).allowed).toBe(false);
  await auth.attachments.setBoundary(user("alice"), null);
  expect(mayDelete().allowed).toBe(true);
});

test("built-in roles stay what they are, and a role is only what is a policy", async () => {
  expect(await refusal(auth.roles.create("admin", reading("*")))).toBe("name_taken");
  expect(await refusal(auth.roles.update("Member", reading("*")))).toBe("built_in_role");
  expect(await refusal(auth.roles.remove("read-only"))).toBe("built_in_role");
  expect(await refusal(auth.roles.create("broken", { Statement: [] }))).toBe("invalid_policy");
  expect(await refusal(auth.roles.create("twice", '{"Statement":{"Effect":"Deny","Effect":"Allow"}}'))).toBe(
    "invalid_policy",
  );
  expect(await refusal(auth.roles.create("a.b", reading("*")))).toBe("invalid_name");
  expect((await auth.roles.list()).map(({ name }) => name)).toEqual([
    "admin",
    "member",
    "read-only",
    "photo-reader",
  ]);
});

test("the last administrator stays one, whichever way it is taken", async () => {
  const root = user("root");
  await auth.groups.create("admins");
  await auth.attachments.attach({ kind: "group", name: "admins" }, "admin");
  expect(await refusal(auth.attachments.detach(root, "admin"))).toBe("last_admin");
  expect(await refusal(auth.attachments.setBoundary(root, "member"))).toBe("last_admin");
  await auth.groups.addMember("admins", "bob");
  expect(await auth.user("bob")).toMatchObject({ admin: true });
  expect(auth.principalNamed("bob").admin).toBe(true);
  await auth.attachments.detach(root, "admin");
  expect(await refusal(auth.groups.removeMember("admins", "bob"))).toBe("last_admin");
  expect(await refusal(auth.groups.remove("admins"))).toBe("last_admin");
  expect(await refusal(auth.updateUser("bob", { disabled: true }))).toBe("last_admin");
  await auth.attachments.attach(root, "admin");
  await auth.groups.remove("admins");
  expect(await auth.user("bob")).toMatchObject({ admin: false });
});

test("who has which roles is bounded", async () => {
  await auth.createUser({ name: "collector", password: PASSWORD });
  for (let n = 0; n < ROLES_PER_TARGET_MAX; n++) await auth.roles.create(`role${n}`, reading("*"));
  for (let n = 1; n < ROLES_PER_TARGET_MAX; n++) await auth.attachments.attach(user("collector"), `role${n}`);
  expect(await refusal(auth.attachments.attach(user("collector"), "role0"))).toBe("limit_reached");
  await auth.attachments.attach(user("collector"), "role1");
  for (let n = 0; n <= GROUPS_PER_USER_MAX; n++) await auth.groups.create(`group${n}`);
  for (let n = 0; n < GROUPS_PER_USER_MAX; n++) await auth.groups.addMember(`group${n}`, "collector");
  expect(await refusal(auth.groups.addMember(`group${GROUPS_PER_USER_MAX}`, "collector"))).toBe(
    "limit_reached",
  );
});

test("S12, E07: a service account of a user may do what both may; one of the cloud what its roles say", async () => {
  await auth.serviceAccounts.create({ name: "hers", owner: "alice" });
  await auth.serviceAccounts.create({ name: "clouds", owner: null });
  const key = async (serviceAccount: string) => (await auth.createKey({ serviceAccount })).accessKeyId;
  const [hers, clouds] = [await key("hers"), await key("clouds")];
  const of = (id: string) => auth.find(id)!.principal;
  const own = { resource: bucketName("hers"), owner: ofUser("alice").userId };
  const mayList = () => auth.access.decide(of(hers), "s3:ListBucket", own);
  expect(mayList()).toEqual({ allowed: false, reason: "implicit-deny", layer: "session" });
  await auth.attachments.attach({ kind: "service-account", name: "hers" }, "admin");
  expect(mayList().allowed).toBe(true);
  // Her account has every right, and she has not.
  expect(mayRead(of(hers))).toMatchObject({ allowed: false, layer: "identity" });
  expect(of(hers)).toMatchObject({ userId: ofUser("alice").userId, admin: false });

  expect(mayRead(of(clouds)).allowed).toBe(false);
  await auth.attachments.attach({ kind: "service-account", name: "clouds" }, "photo-reader");
  expect(mayRead(of(clouds)).allowed).toBe(true);
  await auth.attachments.setBoundary({ kind: "service-account", name: "clouds" }, "member");
  expect(mayRead(of(clouds))).toMatchObject({ allowed: false, layer: "boundary" });

  await auth.serviceAccounts.setDisabled("clouds", true);
  expect(auth.find(clouds)).toBeUndefined();
  await auth.updateUser("alice", { disabled: true });
  expect(auth.find(hers)).toBeUndefined();
  await auth.updateUser("alice", { disabled: false });
  expect(auth.find(hers)).toBeDefined();
  await auth.serviceAccounts.remove("hers");
  expect(auth.find(hers)).toBeUndefined();
});

test("S12: a service account of the cloud may not give itself roles", async () => {
  await auth.serviceAccounts.create({ name: "climber", owner: null });
  await auth.attachments.attach({ kind: "service-account", name: "climber" }, "member");
  const { accessKeyId } = await auth.createKey({ serviceAccount: "climber" });
  const { principal } = auth.find(accessKeyId)!;
  const { allowed } = auth.access.decide(
    principal,
    "auth:UpdateServiceAccount",
    auth.places.serviceAccount("climber"),
  );
  expect(allowed).toBe(false);
});
