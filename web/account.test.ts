// The pages of the account against the real auth service.
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { AccountBench } from "./testing/account-bench.ts";
import { PASSWORD } from "./testing/auth-cloud.ts";
import { DESKTOP } from "./testing/browser.ts";

// A real PostgreSQL and a browser on a loaded machine.
setDefaultTimeout(60_000);

let bench: AccountBench;
beforeAll(async () => {
  bench = await AccountBench.start();
});
afterAll(() => bench.stop());
beforeEach(() => bench.openPage());
afterEach(async () => expect(await bench.closePage()).toEqual([]));

test("sessions are listed with device and place; one is ended, then all others", async () => {
  const name = await bench.newUser();
  const elsewhere = async (userAgent: string) => {
    const signed = await bench.auth.signIn(name, PASSWORD, { source: "198.51.100.9", userAgent });
    return "token" in signed ? signed.token : "";
  };
  const phone = await elsewhere("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0");
  const script = await elsewhere("curl/8.5.0");
  await elsewhere("Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/140.0");
  await bench.signIn(name, "/account/sessions");
  await bench.row("Chrome on Linux").getByText("This one").waitFor();
  expect(await bench.row("Firefox on Android").textContent()).toContain("198.51.100.9");
  await bench.shoot("sessions");
  await bench.button("End the session of Firefox on Android").click();
  await bench.confirm("End session");
  await bench.row("Firefox on Android").waitFor({ state: "detached" });
  expect(await bench.auth.verify(phone)).toBeUndefined();
  expect(await bench.auth.verify(script)).toBeDefined();
  await bench.button("End all others").click();
  await bench.confirm("End all others");
  await bench.text("2 sessions ended").waitFor();
  await bench.row("curl/8.5.0").waitFor({ state: "detached" });
  expect(await bench.auth.verify(script)).toBeUndefined();
  expect(await bench.page.locator("tbody tr").count()).toBe(1);
});

test("a passkey is added, renamed, used alone and after the password, and deleted", async () => {
  const name = await bench.newUser();
  await bench.signIn(name);
  await bench.plugIn();
  await bench.button("Add passkey").click();
  await bench.field("Name").fill("laptop");
  await bench.shoot("add-passkey");
  await bench.page.keyboard.press("Enter");
  await bench.row("laptop").waitFor();
  await bench.button("Rename laptop").click();
  await bench.field("Name").fill("old laptop");
  await bench.page.keyboard.press("Enter");
  await bench.row("old laptop").waitFor();
  await bench.shoot("account");

  await bench.page.getByRole("button", { name: "Sign out" }).click();
  await bench.button("Use a passkey").waitFor();
  expect(await bench.text("Passkey renamed").count()).toBe(0);
  await bench.shoot("sign-in");
  await bench.button("Use a passkey").click();
  await bench.signedIn();
  await bench.page.getByText(`Signed in as ${name}`).waitFor();

  await bench.page.getByRole("button", { name: "Sign out" }).click();
  await bench.fillIn(name);
  await bench.signedIn();
  const methods = (await bench.auth.sessions.list((await bench.auth.user(name)).id)).map(
    ({ method }) => method,
  );
  expect(methods).toEqual(["password+passkey"]);

  await bench.button("Delete old laptop").click();
  await bench.confirm("Delete passkey");
  await bench.text("No passkeys").waitFor();
  expect(await bench.auth.passkeys.list((await bench.auth.user(name)).id)).toEqual([]);
});

test("without its passkey the password alone does not sign in, and another try is offered", async () => {
  const name = await bench.newUser();
  await bench.signIn(name);
  await bench.plugIn();
  await bench.button("Add passkey").click();
  await bench.field("Name").fill("key");
  await bench.page.keyboard.press("Enter");
  await bench.row("key").waitFor();
  expect(await bench.closePage()).toEqual([]);
  await bench.openPage();
  await bench.page.goto(`${bench.cloud.url}/account`);
  await bench.plugIn();
  await bench.fillIn(name);
  await bench.page.getByRole("heading", { name: "Use your passkey" }).waitFor();
  await bench.page.getByText("No passkey was used").waitFor();
  await bench.shoot("second-factor");
  await bench.button("Sign in as somebody else").click();
  await bench.page.getByLabel("User name").waitFor();
});

test("what outlasts a session asks an old one to sign in again, and returns", async () => {
  const name = await bench.newUser();
  await bench.signIn(name);
  await bench.plugIn();
  bench.cloud.aheadMs = 11 * 60_000;
  await bench.button("Add passkey").click();
  await bench.field("Name").fill("key");
  await bench.page.keyboard.press("Enter");
  await bench.dialog().getByText("This is possible within 10 minutes").waitFor();
  await bench.button("Sign in again").click();
  await bench.text("Sign in again to go on where you were.").waitFor();
  await bench.fillIn(name);
  await bench.page.getByRole("heading", { level: 1, name: "Account" }).waitFor();
});

test("a token is created with scopes, shown once, works, and is refused after it was revoked", async () => {
  const name = await bench.newUser();
  await bench.signIn(name, "/account/tokens");
  await bench.text("No API tokens").waitFor();
  await bench.button("Create token").click();
  await bench.field("Name").fill("nightly");
  await bench.field("Scope 1").fill(`auth.${name}.nothing`);
  await bench.page.keyboard.press("Enter");
  await bench.dialog().getByText("has no such kind of resource", { exact: false }).waitFor();
  await bench.field("Scope 1").fill(`auth.${name}.*`);
  await bench.button("Add scope").click();
  await bench.confirm("Create token");
  const problem = bench.dialog().getByText("Fill in each scope, or remove it.");
  await problem.waitFor();
  // However long the form is.
  await bench.page.setViewportSize({ width: 390, height: 600 });
  expect(
    await problem.evaluate((element) => {
      const { x, y } = element.getBoundingClientRect();
      return element.contains(document.elementFromPoint(x + 1, y + 1));
    }),
  ).toBe(true);
  await bench.page.setViewportSize(DESKTOP);
  await bench.field("Scope 2").fill(`storage.${name}.bucket.photos`);
  await bench.page.getByRole("group", { name: "Scope 2" }).getByLabel("read").check();
  await bench.shoot("create-token");
  await bench.confirm("Create token");
  const token = (await bench.dialog().locator("dd code").textContent())!;
  expect(token).toStartWith("sk_");
  await bench.shoot("token-once");
  await bench.confirm("I have saved it");
  await bench.row("nightly").waitFor();
  expect(await bench.page.content()).not.toContain(token);
  expect(await bench.row("nightly").textContent()).toContain(`storage.${name}.bucket.photos: read`);
  await bench.shoot("tokens");
  expect(await bench.auth.verify(token)).toMatchObject({ name });
  await bench.button("Revoke nightly").click();
  await bench.confirm("Revoke token");
  await bench.text("No API tokens").waitFor();
  expect(await bench.auth.verify(token)).toBeUndefined();
});

test("the password is changed only with the current one, and every session ends", async () => {
  const name = await bench.newUser();
  await bench.signIn(name);
  await bench.button("Change password").click();
  const type = async (current: string) => {
    await bench.page.getByLabel("Current password").fill(current);
    await bench.page.getByLabel("New password").fill("a better one than before");
    await bench.page.getByLabel("Repeat it").fill("a better one than before");
    await bench.page.keyboard.press("Enter");
  };
  await type("not the current one");
  await bench.dialog().getByText("The user name or the password is wrong").waitFor();
  await type(PASSWORD);
  await bench.page.getByText("Your password is changed").waitFor();
  await bench.fillIn(name, "a better one than before");
  await bench.signedIn();
});

test("an error of a provider is told on the sign-in page, once", async () => {
  await bench.page.goto(`${bench.cloud.url}/?sign-in-error=not_linked`);
  await bench.page.getByText("That account is linked to nobody here.").waitFor();
  expect(new URL(bench.page.url()).search).toBe("");
  await bench.page.reload();
  await bench.page.getByLabel("User name").waitFor();
  expect(await bench.page.getByText("That account is linked").count()).toBe(0);
});

test("a provider has its button on the sign-in page and on the account's", async () => {
  const port = new URL(bench.cloud.url).port;
  await bench.auth.providers.put({
    id: "works",
    name: "Works ID",
    issuer: "https://id.example",
    clientId: "skerry",
    clientSecret: "a secret",
    callbackUrl: `https://skerry.localhost:${port}/api/auth/openid/works/callback`,
  });
  try {
    const name = await bench.newUser();
    await bench.page.goto(`${bench.cloud.url}/account`);
    const link = bench.page.getByRole("link", { name: "Continue with Works ID" });
    expect(await link.getAttribute("href")).toBe("/api/auth/openid/works/start");
    await bench.fillIn(name);
    await bench.button("Link Works ID").waitFor();
    const { id } = await bench.auth.user(name);
    const session = (await bench.auth.sessions.list(id))[0]!;
    await bench.auth.identities.link(id, session.id, { issuer: "https://id.example", subject: "me" });
    await bench.page.reload();
    await bench.row("me at https://id.example").waitFor();
    await bench.shoot("linked");
    await bench.button("Unlink me").click();
    await bench.confirm("Unlink account");
    await bench.text("No linked accounts").waitFor();
    expect(await bench.auth.identities.list(id)).toEqual([]);
  } finally {
    await bench.auth.providers.remove("works");
  }
});
