// The administration's pages against the real auth service and audit log.
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { event } from "../apis/audit/test-audit.ts";
import { AccountBench } from "./testing/account-bench.ts";
import { PASSWORD } from "./testing/auth-cloud.ts";
import { PHONE } from "./testing/browser.ts";

// A real PostgreSQL and a browser on a loaded machine.
setDefaultTimeout(60_000);

let bench: AccountBench;
beforeAll(async () => {
  bench = await AccountBench.start();
});
afterAll(() => bench.stop());
beforeEach(() => bench.openPage());
afterEach(async () => expect(await bench.closePage()).toEqual([]));

test("a user is created, made a reader, disabled, enabled and removed", async () => {
  const { page, auth } = bench;
  await bench.signIn("root", "/admin/users");
  await bench.row("root").getByText("Administrator").waitFor();
  await bench.button("Create user").click();
  await bench.field("User name").fill("Alice");
  await page.getByLabel("New password").fill("12345678");
  await page.getByLabel("Repeat it").fill("12345678");
  await page.keyboard.press("Enter");
  await bench.dialog().getByText("This password is among the first that are guessed").waitFor();
  await page.getByLabel("New password").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await bench.dialog().getByText("The two passwords differ.").waitFor();
  await page.getByLabel("Repeat it").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "alice" }).waitFor();
  expect(new URL(page.url()).pathname).toBe("/admin/users/alice");

  await page.getByLabel("Add a role").selectOption("read-only");
  await bench.button("Add").first().click();
  await bench.text("read-only added").waitFor();
  await bench.button("Remove the role member").click();
  await bench.text("member removed").waitFor();
  expect((await auth.userWithAccess("alice")).roles).toEqual(["read-only"]);
  await page.getByText("There are no groups yet.").waitFor();
  await bench.shoot("user");

  await bench.button("Disable").click();
  await bench.confirm("Disable user");
  await bench.text("Disabled").waitFor();
  expect((await auth.user("alice")).disabled).toBe(true);
  await bench.button("Enable").click();
  await bench.text("Enabled").waitFor();
  expect((await auth.user("alice")).disabled).toBe(false);
  bench.cloud.bucketOwners.add((await auth.user("alice")).id);
  await bench.button("Remove").click();
  await bench.confirm("Remove user");
  await bench.dialog().getByText("alice owns buckets.", { exact: false }).waitFor();
  await page.getByLabel("The user’s buckets").selectOption("keep");
  await bench.field("New owner").fill("root");
  await bench.shoot("remove-user");
  await bench.confirm("Remove user");
  await bench.text("User alice removed").waitFor();
  await bench.row("root").waitFor();
  await bench.shoot("users");
  expect(await bench.row("alice").count()).toBe(0);
  expect((await auth.listUsers()).map(({ name }) => name)).not.toContain("alice");
});

test("a link for a new password is shown once and works once", async () => {
  const { page } = bench;
  const name = await bench.newUser();
  await bench.signIn("root", `/admin/users/${name}`);
  await bench.button("Password link").click();
  await bench.confirm("Make the link");
  const link = (await bench.dialog().locator("dd code").textContent())!;
  await bench.shoot("password-link");
  await bench.confirm("I have saved it");
  expect(await page.content()).not.toContain(link);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("User name").waitFor();

  await page.goto(link);
  await bench.shoot("password-reset");
  await page.getByLabel("New password").fill("one that I keep");
  await page.getByLabel("Repeat it").fill("one that I keep");
  await page.keyboard.press("Enter");
  await page.getByText("The new password is set").waitFor();
  await page.getByRole("link", { name: "Go to sign-in" }).click();
  await bench.fillIn(name, "one that I keep");
  await bench.signedIn();
  await page.goto(link);
  await page.getByLabel("New password").fill("another one again");
  await page.getByLabel("Repeat it").fill("another one again");
  await page.keyboard.press("Enter");
  await page.getByText("The token is wrong, used or over").waitFor();
});

test("the server's refusals are told: the last administrator stays one", async () => {
  await bench.signIn("root", "/admin/users/root");
  await bench.button("Remove the role admin").click();
  await bench.page.getByRole("alert").getByText("administrator", { exact: false }).waitFor();
  expect((await bench.auth.userWithAccess("root")).roles).toContain("admin");
});

test("a member sees no administration, and its addresses say why", async () => {
  const { page } = bench;
  const name = await bench.newUser();
  await bench.signIn(name, "/admin/users");
  await page.getByRole("heading", { name: "This is not open to you" }).waitFor();
  await bench.shoot("forbidden");
  await page.getByRole("link", { name: "Go to your buckets" }).click();
  await page.getByRole("heading", { level: 1, name: "Buckets" }).waitFor();
  await page.goto(`${bench.cloud.url}/account`);
  await page.getByRole("heading", { level: 1, name: "Account" }).waitFor();
  await page.waitForLoadState("networkidle");
  expect(await page.getByRole("link", { name: "Admin" }).count()).toBe(0);
  expect(await page.getByRole("button", { name: "Create user" }).count()).toBe(0);
});

test("whoever may read everything sees the administration, and is told what may not be changed", async () => {
  const { page, auth } = bench;
  const name = await bench.newUser();
  await auth.attachments.attach({ kind: "user", name }, "read-only");
  await auth.attachments.detach({ kind: "user", name }, "member");
  await bench.signIn(name);
  await page.getByRole("link", { name: "Admin" }).click();
  await bench.row("root").waitFor();
  await page.goto(`${bench.cloud.url}/admin/settings`);
  const box = page.getByRole("checkbox", { name: "Anybody may make an account" });
  await box.click();
  await page.getByRole("alert").getByText("auth:CreateUser", { exact: false }).waitFor();
  expect(await box.isChecked()).toBe(false);
});

test("a group is created, gets members and roles, and is removed", async () => {
  const { page, auth } = bench;
  const name = await bench.newUser();
  await bench.signIn("root", "/admin/groups");
  await bench.text("No groups").waitFor();
  await bench.button("Create group").click();
  await bench.field("Name").fill("writers");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "writers" }).waitFor();
  await page.getByLabel("Add a member").fill("nobody-here");
  await page.keyboard.press("Enter");
  await page.getByText('There is no user "nobody-here"').waitFor();
  await page.getByLabel("Add a member").fill(name);
  await page.keyboard.press("Enter");
  await bench.text(`${name} added`).waitFor();
  await page.getByLabel("Add a role").selectOption("read-only");
  await bench.button("Add").last().click();
  await bench.text("read-only added").waitFor();
  await bench.shoot("group");
  expect(await auth.groups.get("writers")).toMatchObject({ members: [name], roles: ["read-only"] });
  await page.getByRole("link", { name: "All groups" }).click();
  await bench.row("writers").waitFor();
  await bench.shoot("groups");
  await bench.button("Remove the group writers").click();
  await bench.confirm("Remove group");
  await bench.text("No groups").waitFor();
  expect(await auth.groups.list()).toEqual([]);
});

test("a role's policy is edited as JSON, and an error is shown at its place", async () => {
  const { page, auth } = bench;
  await bench.signIn("root", "/admin/roles");
  await bench.row("admin").getByText("Built in").waitFor();
  await bench.shoot("roles");
  await bench.button("Create role").click();
  await bench.field("Name").fill("photos");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "photos" }).waitFor();
  const editor = page.getByLabel("Policy");
  const policy = (effect: string) =>
    JSON.stringify(
      {
        Version: "2012-10-17",
        Statement: [{ Effect: effect, Action: "s3:GetObject", Resource: "arn:aws:s3:::photos/*" }],
      },
      null,
      2,
    );
  await editor.fill(policy("Perhaps"));
  await bench.button("Save policy").click();
  await page.getByRole("alert").getByText("Line 5: Statement[0].Effect", { exact: false }).waitFor();
  const selected = await editor.evaluate((area: HTMLTextAreaElement) =>
    area.value.slice(area.selectionStart, area.selectionEnd),
  );
  expect(selected).toBe('"Effect": "Perhaps"');
  await bench.shoot("role-wrong");
  await editor.fill(policy("Allow"));
  await bench.button("Save policy").click();
  await bench.text("Policy saved").waitFor();
  expect((await auth.roles.get("photos")).document).toEqual(JSON.parse(policy("Allow")));
  await page.goto(`${bench.cloud.url}/admin/roles/member`);
  expect(await page.getByLabel("Policy").getAttribute("readonly")).not.toBeNull();
  await page.goto(`${bench.cloud.url}/admin/roles`);
  await bench.button("Remove the role photos").click();
  await bench.confirm("Remove role");
  await bench.row("photos").waitFor({ state: "detached" });
});

test("sign-up is opened and closed", async () => {
  const { auth } = bench;
  await bench.signIn("root", "/admin/settings");
  const box = bench.page.getByRole("checkbox", { name: "Anybody may make an account" });
  await bench.shoot("settings");
  await box.check();
  await bench.text("Sign-up is open").waitFor();
  expect(await auth.settings.get()).toEqual({ signUp: true });
  await box.uncheck();
  await bench.text("Sign-up is closed").waitFor();
  expect(await auth.settings.get()).toEqual({ signUp: false });
});

test("the audit log is filtered, paged, exported and verified", async () => {
  const { page, cloud } = bench;
  const actor = { kind: "user", id: "u9", name: "mallory" } as const;
  for (let n = 0; n < 60; n++) {
    await cloud.audit.committed(
      event({ actor, resource: `arn:skerry:auth::u9:user/${n}`, action: "auth:DeleteUser" }),
    );
  }
  await cloud.audit.committed(event({ outcome: "refused", code: "forbidden", action: "auth:CreateRole" }));
  await bench.signIn("root", "/admin/audit");
  await bench.row("auth:DeleteUser").first().waitFor();
  await bench.shoot("audit");
  await page.getByLabel("Actor").fill("mallory");
  await bench.button("Filter").click();
  await bench.row("user/59").waitFor();
  await bench.row("auth:CreateRole").waitFor({ state: "detached" });
  expect(await page.locator("tbody tr").count()).toBe(50);
  await bench.button("Older").click();
  await bench.row("user/0").first().waitFor();
  expect(await page.locator("tbody tr").count()).toBe(10);
  await bench.button("Newer").click();
  await bench.row("user/59").waitFor();

  const downloading = page.waitForEvent("download");
  await page.getByRole("link", { name: "Export" }).click();
  const lines = (await Bun.file(await (await downloading).path()).text()).trim().split("\n");
  expect(lines.length).toBe(60);
  expect(lines.every((line) => JSON.parse(line).actor.name === "mallory")).toBe(true);

  await bench.button("Clear").click();
  await page.getByLabel("Outcome").selectOption("refused");
  await page.getByLabel("Action").fill("auth:CreateR*");
  await bench.button("Filter").click();
  await bench.row("auth:CreateRole").waitFor();
  expect(await page.locator("tbody tr").count()).toBe(1);
  await bench.button("auth:CreateRole").click();
  await bench.dialog().getByText("refused: forbidden").waitFor();
  await bench.shoot("audit-entry");
  await bench.dialog().getByRole("button", { name: "Close" }).last().click();
  await page.getByLabel("From").fill("2999-01-01T00:00");
  await bench.button("Filter").click();
  await bench.text("No entries").waitFor();
  await bench.button("Verify the log").click();
  await page.getByText("The log is sound:").waitFor();
  await bench.shoot("audit-verified");

  await page.setViewportSize(PHONE);
  expect(await page.getByLabel("Actor").isVisible()).toBe(false);
  await bench.button("Filters").click();
  await bench.shoot("audit-filters");
  await bench.button("Clear").click();
  await bench.row("auth:DeleteUser").first().waitFor();
});
