// The dashboard as a person meets it: the real product, a real Chromium, TLS with the product's own CA.
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import type { Browser, Page } from "playwright-core";
import { launchBrowser, openPage, PHONE } from "../../web/testing/browser.ts";
import { type Skerry, startSkerry } from "./skerry.ts";

setDefaultTimeout(120_000);

let cloud: Skerry;
let browser: Browser;
let page: Page;
let complaints: string[];

beforeAll(async () => {
  [cloud, browser] = await Promise.all([startSkerry(), launchBrowser()]);
  ({ page, complaints } = await openPage(browser, { ignoreHTTPSErrors: true }));
  await page.goto(cloud.credentials.console.url);
  await signIn();
});
afterAll(async () => {
  await browser?.close();
  await cloud?.[Symbol.asyncDispose]();
});
afterEach(() => {
  expect(complaints.splice(0)).toEqual([]);
});

async function signIn(): Promise<void> {
  const { user, password } = cloud.credentials.console;
  await page.getByLabel("User name").fill(user);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

async function open(path: string): Promise<void> {
  await page.goto(new URL(path, cloud.credentials.console.url).href);
}

async function createBucket(name: string): Promise<void> {
  await open("/");
  await page.getByRole("button", { name: "Create bucket" }).first().click();
  await page.getByRole("dialog").getByLabel("Name").fill(name);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name }).waitFor();
}

const row = (name: string) => page.getByRole("row").filter({ hasText: name });

test("the page keeps to its content policy and the session cookie is out of scripts' reach", async () => {
  const response = await page.reload();
  expect(response?.headers()["content-security-policy"]).toContain("default-src 'self'");
  const cookies = await page.context().cookies();
  const paths = new Map(cookies.map(({ name, path }) => [name, path]));
  expect(paths.get("__Host-skerry_session")).toBe("/");
  expect(paths.get("__Secure-skerry_refresh")).toBe("/api/auth/session/refresh");
  for (const cookie of cookies) {
    expect(cookie).toMatchObject({ httpOnly: true, secure: true, sameSite: "Strict" });
  }
  expect(await page.evaluate(() => document.cookie)).toBe("");
});

test("the page renews its session by cookies alone", async () => {
  const refreshCookie = async () =>
    (await page.context().cookies()).find(({ name }) => name === "__Secure-skerry_refresh")?.value;
  const before = await refreshCookie();
  const status = await page.evaluate(async () => {
    const headers = { "X-Skerry-CSRF": "1" };
    return (await fetch("/api/auth/session/refresh", { method: "POST", headers })).status;
  });
  expect(status).toBe(200);
  expect(await refreshCookie()).not.toBe(before);
});

test("what is uploaded in the browser is what S3 serves, and what S3 stores is what the browser downloads", async () => {
  await createBucket("both-ways");
  await page.getByText("This bucket is empty").waitFor();
  const up = randomBytes(3_000_000);
  const down = randomBytes(1_500_000);
  await page
    .getByLabel("Files to upload")
    .setInputFiles([{ name: "from browser.bin", mimeType: "image/png", buffer: up }]);
  await page.getByText("1 file uploaded").waitFor();
  const s3 = cloud.client();
  const stored = await s3.send(new GetObjectCommand({ Bucket: "both-ways", Key: "from browser.bin" }));
  expect(Buffer.from(await stored.Body!.transformToByteArray()).equals(up)).toBe(true);
  expect(stored.ContentType).toBe("image/png");

  await s3.send(new PutObjectCommand({ Bucket: "both-ways", Key: "deep/er/from s3.bin", Body: down }));
  await page.reload();
  await page.getByRole("link", { name: "deep", exact: true }).click();
  await page.getByRole("link", { name: "er", exact: true }).click();
  const downloading = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download from s3.bin" }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe("from s3.bin");
  expect(Buffer.from(await Bun.file(await download.path()).bytes()).equals(down)).toBe(true);
});

const HOSTILE = [
  "<img src=x onerror=\"document.title='owned'\">",
  "two\nlines",
  "report\u202efdp.exe",
  "עברית.txt",
  "a b%20c?d#e&f+g",
  "up/../and/./down",
  "l".repeat(1000),
];

test("hostile keys are listed as text, downloaded byte for byte and deleted", async () => {
  const s3 = cloud.client();
  await createBucket("hostile-keys");
  for (const Key of HOSTILE) {
    await s3.send(new PutObjectCommand({ Bucket: "hostile-keys", Key, Body: `content of ${Key}` }));
  }
  for (const key of HOSTILE) {
    const folder = key.slice(0, key.lastIndexOf("/") + 1);
    await open(`/buckets/hostile-keys/${encodeURIComponent(folder)}`);
    const name = key
      .slice(folder.length)
      .slice(0, 6)
      .split(/[\n\u202e]/)[0]!;
    const downloading = page.waitForEvent("download");
    await row(name)
      .getByRole("link", { name: /^Download/ })
      .click();
    expect(await Bun.file(await (await downloading).path()).text()).toBe(`content of ${key}`);
    await row(name)
      .getByRole("button", { name: /^Delete/ })
      .click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete 1 object" }).click();
    await row(name).waitFor({ state: "detached" });
    const head = s3.send(new HeadObjectCommand({ Bucket: "hostile-keys", Key: key }));
    expect(await head.catch((error: Error) => error.name)).toBe("NotFound");
  }
  expect(await page.title()).not.toBe("owned");
});

test("more objects than one page load while scrolling, each once", async () => {
  const s3 = cloud.client();
  await createBucket("many-objects");
  const keys = Array.from({ length: 450 }, (_, i) => `object-${String(i).padStart(4, "0")}`);
  while (keys.length > 0) {
    const batch = keys.splice(0, 25);
    await Promise.all(
      batch.map((Key) => s3.send(new PutObjectCommand({ Bucket: "many-objects", Key, Body: Key }))),
    );
  }
  await open("/buckets/many-objects/");
  for (const last of ["object-0199", "object-0399", "object-0449"]) {
    await row(last).scrollIntoViewIfNeeded();
  }
  const names = await page.locator("tbody .row-name").allTextContents();
  expect(new Set(names).size).toBe(450);
  expect(names.length).toBe(450);
});

test("a full bucket is not deleted; emptied through the page, it is", async () => {
  await createBucket("to-delete");
  await page
    .getByLabel("Files to upload")
    .setInputFiles(["a", "b"].map((name) => ({ name, mimeType: "", buffer: Buffer.from(name) })));
  await page.getByText("2 files uploaded").waitFor();
  await open("/");
  await page.getByRole("button", { name: "Delete bucket to-delete" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Delete bucket" }).click();
  await dialog.getByRole("alert").waitFor();
  await page.keyboard.press("Escape");
  await open("/buckets/to-delete/");
  await page.getByRole("checkbox", { name: "Select all" }).check();
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await dialog.getByRole("button", { name: "Delete 2 objects" }).click();
  await page.getByText("This bucket is empty").waitFor();
  await open("/");
  await page.getByRole("button", { name: "Delete bucket to-delete" }).click();
  await dialog.getByRole("button", { name: "Delete bucket" }).click();
  await page.getByText("Bucket to-delete deleted").waitFor();
  await row("to-delete").waitFor({ state: "detached" });
  expect(await row("to-delete").count()).toBe(0);
});

test("an access key made in the page signs S3 requests until it is revoked there", async () => {
  await open("/keys");
  await page.getByRole("button", { name: "Create access key" }).click();
  const facts = page.getByRole("dialog").locator("dd code");
  await facts.nth(1).waitFor();
  const [accessKeyId, secretAccessKey] = (await facts.allTextContents()) as [string, string];
  await page.getByRole("button", { name: "I have saved it" }).click();
  const { endpoint, region } = cloud.credentials.s3;
  const s3 = new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId, secretAccessKey },
  });
  const probe = () => s3.send(new HeadObjectCommand({ Bucket: "both-ways", Key: "from browser.bin" }));
  expect((await probe()).ContentLength).toBe(3_000_000);
  await page.getByRole("button", { name: `Revoke ${accessKeyId}` }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke key" }).click();
  await page.getByText("Access key revoked").waitFor();
  expect(
    await probe().then(
      () => 200,
      (error) => error.$metadata.httpStatusCode,
    ),
  ).toBe(403);
  s3.destroy();
});

test("the storage page tells of three live chunkservers", async () => {
  await open("/storage");
  await page.getByText("3 of 3").waitFor();
  expect(await page.getByText("Alive", { exact: true }).count()).toBe(3);
});

test("no page is wider than a phone", async () => {
  await page.setViewportSize(PHONE);
  for (const path of ["/", "/buckets/both-ways/", "/buckets/both-ways/none/", "/keys", "/storage"]) {
    await open(path);
    await page.getByRole("heading", { level: 1 }).waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(
      0,
    );
  }
});

test("after signing out elsewhere the person signs in again at the same place", async () => {
  await open("/buckets/both-ways/deep/");
  await page.getByRole("link", { name: "er", exact: true }).waitFor();
  await page.evaluate(() =>
    fetch("/api/auth/session", { method: "DELETE", headers: { "X-Skerry-CSRF": "1" } }),
  );
  await page.getByRole("link", { name: "er", exact: true }).click();
  await page.getByText("Your session ended.").waitFor();
  await signIn();
  await row("from s3.bin").waitFor();
});
