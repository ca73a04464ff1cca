import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { AccountBench } from "./testing/account-bench.ts";
import { PASSWORD } from "./testing/auth-cloud.ts";

// A loaded machine starts a browser page slowly; each wait in it has its own, shorter limit.
setDefaultTimeout(60_000);

let bench: AccountBench;
beforeAll(async () => {
  bench = await AccountBench.start();
});
afterAll(() => bench.stop());
beforeEach(() => bench.openPage());
afterEach(async () => {
  await bench.auth.settings.set({ signUp: false });
  expect(await bench.closePage()).toEqual([]);
});

const heading = (name: string) => bench.page.getByRole("heading", { level: 1, name });

async function fillIn(name: string, password: string, repeated = password): Promise<void> {
  const { page } = bench;
  await page.getByLabel("User name").fill(name);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByLabel("Repeat it").fill(repeated);
  await page.keyboard.press("Enter");
}

test("while sign-up is closed nothing leads to it, and its address says who makes accounts", async () => {
  const { page, cloud } = bench;
  const methods = page.waitForResponse(/sign-in-methods$/);
  await page.goto(cloud.url);
  await methods;
  await page.getByLabel("User name").waitFor();
  expect(await page.getByRole("link", { name: "Create one" }).count()).toBe(0);
  await page.goto(`${cloud.url}/sign-up`);
  await page.getByText("Accounts are made by an administrator here.").waitFor();
  await bench.shoot("sign-up-closed");
  await page.getByRole("link", { name: "Go to sign-in" }).click();
  await heading("Sign in").waitFor();
});

test("whoever signs up is a member and signed in at once; back does not lead to the form", async () => {
  const { page, cloud, auth } = bench;
  await auth.settings.set({ signUp: true });
  await page.goto(cloud.url);
  await page.getByRole("link", { name: "Create one" }).click();
  await heading("Create account").waitFor();
  expect(await page.title()).toBe("Create account · Skerry");
  await bench.shoot("sign-up");
  await page.keyboard.press("Enter");
  await bench.text("Enter a user name.").waitFor();
  await fillIn("nora", PASSWORD, `${PASSWORD}?`);
  await bench.text("The two passwords differ.").waitFor();
  await fillIn("nora", "short");
  await bench.text("A password needs at least 8 characters.").waitFor();
  await fillIn("no ra", PASSWORD);
  await page.getByText("A user name has 1 to 64").waitFor();
  await fillIn("nora", PASSWORD);
  await bench.signedIn();
  await heading("Buckets").waitFor();
  expect(new URL(page.url()).pathname).toBe("/");
  expect((await auth.userWithAccess("nora")).roles).toEqual(["member"]);
  await page.goto(`${cloud.url}/sign-up`);
  await heading("Buckets").waitFor();
  expect(new URL(page.url()).pathname).toBe("/");
});

test("a name that is somebody's is told only by a sign-in that fails, and the account stays as it is", async () => {
  const { page, cloud, auth } = bench;
  const name = await bench.newUser();
  await auth.settings.set({ signUp: true });
  await page.goto(`${cloud.url}/sign-up`);
  const answered = page.waitForResponse(/\/api\/auth\/sign-up$/);
  await fillIn(name, "a guess of somebody else");
  expect((await answered).status()).toBe(202);
  await bench.text("That name is not free. Choose another one.").waitFor();
  await bench.shoot("sign-up-taken");
  await page.getByRole("link", { name: "Sign in" }).click();
  await bench.fillIn(name);
  await bench.signedIn();
});

test("sign-up that is closed while the form is open says so", async () => {
  const { page, cloud, auth } = bench;
  await auth.settings.set({ signUp: true });
  await page.goto(`${cloud.url}/sign-up`);
  await heading("Create account").waitFor();
  await auth.settings.set({ signUp: false });
  await fillIn("late", PASSWORD);
  await bench.text("Accounts are made by an administrator here.").waitFor();
  expect((await auth.listUsers()).map(({ name }) => name)).not.toContain("late");
});
