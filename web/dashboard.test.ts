import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { buildDashboard } from "./build.ts";
import { Backend, USER } from "./testing/backend.ts";
import { launchBrowser, openPage, PHONE } from "./testing/browser.ts";
import { shoot } from "./testing/shoot.ts";

// A loaded machine starts a browser page slowly; each wait in it has its own, shorter limit.
setDefaultTimeout(30_000);

const parent = mkdtempSync(join(tmpdir(), "skerry-dashboard-"));
const dist = join(parent, "dist");
let browser: Browser;
let backend: Backend;
let page: Page;
let complaints: string[];

beforeAll(async () => {
  [browser] = await Promise.all([launchBrowser(), buildDashboard(dist)]);
});
afterAll(async () => {
  await browser.close();
  rmSync(parent, { recursive: true });
});
beforeEach(async () => {
  backend = new Backend(dist);
  ({ page, complaints } = await openPage(browser));
});
afterEach(async () => {
  await page.context().close();
  await backend.stop();
  expect(complaints).toEqual([]);
});

async function signIn(path = "/"): Promise<void> {
  await page.goto(backend.url + path);
  await page.getByLabel("User name").fill(USER.name);
  await page.getByLabel("Password").fill(USER.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

const heading = (name: string) => page.getByRole("heading", { level: 1, name });
const row = (name: string) => page.getByRole("row").filter({ hasText: name });
const text = (content: string) => page.getByText(content, { exact: true }).first();

async function rowNames(): Promise<string[]> {
  return page.locator("tbody .row-name").allTextContents();
}

test("wrong credentials are told, right ones lead to the page that was asked for", async () => {
  backend.put("photos", "2026/a.jpg", "x");
  await page.goto(`${backend.url}/buckets/photos/2026/`);
  await page.getByRole("button", { name: "Sign in" }).click();
  await text("Enter both the user name and the password.").waitFor();
  await page.getByLabel("User name").fill(USER.name);
  await page.getByLabel("Password").fill("wrong");
  await page.keyboard.press("Enter");
  await text("The user name or the password is wrong.").waitFor();
  await page.getByLabel("Password").fill(USER.password);
  await page.keyboard.press("Enter");
  await heading("2026").waitFor();
  expect(await rowNames()).toEqual(["a.jpg"]);
  expect(new URL(page.url()).pathname).toBe("/buckets/photos/2026/");
});

test("a bucket is created after its name was corrected, and deleted after it is empty", async () => {
  await signIn();
  await text("No buckets yet").waitFor();
  await page.getByRole("button", { name: "Create bucket" }).click();
  const name = page.getByLabel("Name");
  await name.fill("My_Bucket");
  await text("Lower-case letters only.").waitFor();
  expect(await name.getAttribute("aria-invalid")).toBe("true");
  await name.fill("my-bucket");
  await page.keyboard.press("Enter");
  await heading("my-bucket").waitFor();
  await text("This bucket is empty").waitFor();
  backend.put("my-bucket", "left-over", "x");

  await page.getByRole("link", { name: "Buckets" }).first().click();
  await page.getByRole("button", { name: "Delete bucket my-bucket" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Delete bucket" }).click();
  await dialog.getByText("The bucket still holds objects.").waitFor();
  backend.buckets.get("my-bucket")!.objects.clear();
  await dialog.getByRole("button", { name: "Delete bucket" }).click();
  await text("No buckets yet").waitFor();
  expect(backend.buckets.size).toBe(0);
});

test("a name that is taken is told in the form", async () => {
  backend.put("taken", "x");
  await signIn();
  await page.getByRole("button", { name: "Create bucket" }).click();
  await page.getByLabel("Name").fill("taken");
  await page.keyboard.press("Enter");
  await text('The name "taken" is taken.').waitFor();
});

test("files are uploaded with the button, listed at once and downloaded byte for byte", async () => {
  backend.put("docs", "a/old.txt", "old");
  await signIn("/buckets/docs/a/");
  await row("old.txt").waitFor();
  await page.getByLabel("Files to upload").setInputFiles([
    { name: "new.txt", mimeType: "text/plain", buffer: Buffer.from("new content") },
    { name: "empty.bin", mimeType: "", buffer: Buffer.alloc(0) },
  ]);
  await text("2 files uploaded").waitFor();
  expect(await rowNames()).toEqual(["empty.bin", "new.txt", "old.txt"]);
  const stored = backend.buckets.get("docs")!.objects.get("a/new.txt")!;
  expect(new TextDecoder().decode(stored.bytes)).toBe("new content");
  const downloading = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download new.txt" }).click();
  const download = await downloading;
  expect(await Bun.file(await download.path()).text()).toBe("new content");
});

test("dropped files show the target while they hover and land in the folder on screen", async () => {
  backend.put("docs", "in/x", "");
  await signIn("/buckets/docs/in/");
  await row("x").waitFor();
  const transfer = await page.evaluateHandle(() => {
    const data = new DataTransfer();
    data.items.add(new File(["dropped"], "dropped.txt"));
    return data;
  });
  const target = page.locator(".browser");
  await target.dispatchEvent("dragenter", { dataTransfer: transfer });
  await text("Drop to upload").waitFor();
  await target.dispatchEvent("drop", { dataTransfer: transfer });
  await text("1 file uploaded").waitFor();
  expect(await text("Drop to upload").isVisible()).toBe(false);
  expect(backend.buckets.get("docs")!.objects.has("in/dropped.txt")).toBe(true);
});

test("a dropped folder and a hundred files beside it land under their paths", async () => {
  backend.put("docs", "in/x", "");
  const folder = join(mkdtempSync(join(parent, "drop-")), "album");
  // More than a directory reader gives at a time.
  mkdirSync(join(folder, "deep"), { recursive: true });
  for (let n = 0; n < 130; n++) writeFileSync(join(folder, "deep", `${n}.txt`), `deep ${n}`);
  const plain = Array.from({ length: 100 }, (_, n) => join(parent, `plain-${n}.txt`));
  for (const path of plain) writeFileSync(path, "plain");
  await signIn("/buckets/docs/in/");
  await row("x").waitFor();
  const devtools = await page.context().newCDPSession(page);
  for (const type of ["dragEnter", "dragOver", "drop"] as const) {
    const data = { items: [], files: [folder, ...plain], dragOperationsMask: 1 };
    await devtools.send("Input.dispatchDragEvent", { type, x: 640, y: 500, data });
  }
  await text("230 files uploaded").waitFor({ timeout: 30_000 });
  const { objects } = backend.buckets.get("docs")!;
  expect(objects.size).toBe(231);
  expect(new TextDecoder().decode(objects.get("in/album/deep/129.txt")!.bytes)).toBe("deep 129");
  expect(objects.has("in/plain-99.txt")).toBe(true);
  expect((await rowNames()).length).toBe(102);
}, 60_000);

test("an upload outlives the access cookie, and without a session it fails and can be retried", async () => {
  backend.put("docs", "x", "");
  await signIn("/buckets/docs/");
  await row("x").waitFor();
  const upload = (...names: string[]) =>
    page
      .getByLabel("Files to upload")
      .setInputFiles(names.map((name) => ({ name, mimeType: "", buffer: Buffer.from(name) })));
  backend.expireAccess();
  await upload("renewed.bin");
  await row("renewed.bin").waitFor();
  backend.endSessions();
  await upload("later.bin", "latest.bin");
  await text("Your session ended. Sign in again to go on where you were.").waitFor();
  await page.getByLabel("User name").fill(USER.name);
  await page.getByLabel("Password").fill(USER.password);
  await page.keyboard.press("Enter");
  await text("2 uploads failed").waitFor();
  await page.getByRole("button", { name: "Retry failed" }).click();
  await row("latest.bin").waitFor();
  expect(await rowNames()).toEqual(["later.bin", "latest.bin", "renewed.bin", "x"]);
});

test("leaving the page or signing out during an upload asks first", async () => {
  backend.put("docs", "x", "");
  await signIn("/buckets/docs/");
  await row("x").waitFor();
  const release = backend.hold(/^PUT /);
  await page
    .getByLabel("Files to upload")
    .setInputFiles({ name: "slow.bin", mimeType: "", buffer: Buffer.alloc(1000) });
  await text("Uploading 1 file").waitFor();
  const asked = page.waitForEvent("dialog");
  const leaving = page.evaluate(() => location.reload()).catch(() => {});
  const question = await asked;
  expect(question.type()).toBe("beforeunload");
  await question.dismiss();
  await leaving;
  await page.getByRole("button", { name: "Sign out" }).click();
  await text("Cancel the uploads?").waitFor();
  await page.keyboard.press("Escape");
  await text("Uploading 1 file").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Cancel uploads and sign out" }).click();
  await heading("Sign in").waitFor();
  release();
  expect(backend.buckets.get("docs")!.objects.has("slow.bin")).toBe(false);
});

test("an upload can be cancelled, a failed one retried; the list tells both", async () => {
  backend.put("docs", "x", "");
  await signIn("/buckets/docs/");
  await row("x").waitFor();
  const release = backend.hold(/^PUT .*slow\.bin/);
  backend.failNext(/^PUT .*broken\.bin/, 503, "NOT_ENOUGH_SERVERS", "Fewer than 2 chunkservers are up.");
  await page.getByLabel("Files to upload").setInputFiles([
    { name: "slow.bin", mimeType: "", buffer: Buffer.alloc(100_000) },
    { name: "broken.bin", mimeType: "", buffer: Buffer.alloc(1000) },
  ]);
  await text("Fewer than 2 chunkservers are up.").waitFor();
  await page.getByRole("button", { name: "Cancel the upload of slow.bin" }).click();
  await text("Cancelled").waitFor();
  release();
  await page.getByRole("button", { name: "Retry the upload of broken.bin" }).click();
  await row("broken.bin").waitFor();
  expect(await rowNames()).toEqual(["broken.bin", "x"]);
});

test("long folders load page by page while scrolling, without moving the rows above", async () => {
  for (let i = 0; i < 450; i++) backend.put("big", `file-${String(i).padStart(4, "0")}`, "");
  await signIn("/buckets/big/");
  await row("file-0000").waitFor();
  expect((await rowNames()).length).toBe(200);
  const anchor = row("file-0199");
  await anchor.scrollIntoViewIfNeeded();
  const before = (await anchor.boundingBox())!.y;
  await row("file-0399").waitFor();
  expect(Math.abs((await anchor.boundingBox())!.y - before)).toBeLessThan(2);
  await row("file-0399").scrollIntoViewIfNeeded();
  await row("file-0449").waitFor();
  expect(new Set(await rowNames()).size).toBe(450);
  expect(await page.getByRole("button", { name: "Load more" }).count()).toBe(0);
});

test("a page of rows that fails to load is asked for again only by its button", async () => {
  for (let i = 0; i < 250; i++) backend.put("big", `file-${String(i).padStart(4, "0")}`, "");
  backend.failNext(/objects\?.*after=/, 503, "NOT_READY", "starting");
  await signIn("/buckets/big/");
  await row("file-0199").scrollIntoViewIfNeeded();
  await text("The next rows could not be loaded.").waitFor();
  await page.getByRole("button", { name: "Try again" }).click();
  await row("file-0249").waitFor();
});

test("selected objects and a folder with all its content are deleted after one question", async () => {
  for (const key of ["a", "b", "keep", "dir/1", "dir/deep/2"]) backend.put("docs", key, "x");
  await signIn("/buckets/docs/");
  await row("keep").waitFor();
  for (const name of ["Select a", "Select b", "Select dir"]) {
    await page.getByRole("checkbox", { name, exact: true }).check();
  }
  await text("3 selected").waitFor();
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Delete 2 objects and 1 folder?").waitFor();
  await page.keyboard.press("Escape");
  expect(backend.buckets.get("docs")!.objects.size).toBe(5);
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await dialog.getByRole("button", { name: "Delete 2 objects and 1 folder" }).click();
  await text("3 items deleted").waitFor();
  expect(await rowNames()).toEqual(["keep"]);
  expect([...backend.buckets.get("docs")!.objects.keys()]).toEqual(["keep"]);
});

test("Shift ticks a range and Ctrl one row more, in boxes and in rows; a dialog is not opened by it", async () => {
  for (const key of ["a", "b", "c", "d", "e"]) backend.put("docs", key, "x");
  await signIn("/buckets/docs/");
  const box = (name: string) => page.getByRole("checkbox", { name: `Select ${name}`, exact: true });
  const ticked = () => page.locator(".row-selected .row-name").allTextContents();
  await box("b").click();
  await box("d").click({ modifiers: ["Shift"] });
  expect(await ticked()).toEqual(["b", "c", "d"]);
  await page.getByRole("button", { name: "c", exact: true }).click({ modifiers: ["ControlOrMeta"] });
  expect(await ticked()).toEqual(["b", "d"]);
  await page
    .locator(".row")
    .first()
    .locator(".cell-size")
    .click({ modifiers: ["Shift"] });
  expect(await ticked()).toEqual(["a", "b", "c", "d"]);
  expect(await page.getByRole("dialog").count()).toBe(0);
  await text("4 selected").waitFor();
  await page.getByRole("button", { name: "Clear", exact: true }).click();
  await box("b").focus();
  await page.keyboard.press("Space");
  await box("e").focus();
  await page.keyboard.press("Shift+Space");
  expect(await ticked()).toEqual(["b", "c", "d", "e"]);
});

test("a deletion that takes long is stopped by Cancel; what is left is listed", async () => {
  for (let i = 0; i < 20; i++) backend.put("docs", `dir/${String(i).padStart(2, "0")}`, "x");
  await signIn("/buckets/docs/");
  const release = backend.hold(/^DELETE .*dir%2F0[4-7]/);
  await page.getByRole("button", { name: "Delete dir" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Delete 1 folder" }).click();
  await dialog.getByText("4 objects deleted…").waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  release();
  await dialog.getByText("Stopped. What was deleted before stays deleted.").waitFor();
  expect(backend.buckets.get("docs")!.objects.size).toBe(12);
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("link", { name: "dir", exact: true }).click();
  await row("08").waitFor();
  expect((await rowNames()).length).toBe(12);
});

test("the filter narrows to names with that beginning, and says when there is none", async () => {
  for (const key of ["apple", "apricot", "banana"]) backend.put("docs", key, "");
  await signIn("/buckets/docs/");
  await row("banana").waitFor();
  await page.getByRole("searchbox").fill("ap");
  await row("banana").waitFor({ state: "detached" });
  expect(await rowNames()).toEqual(["apple", "apricot"]);
  await page.getByRole("searchbox").fill("zzz");
  await text("No match").waitFor();
});

const HOSTILE = [
  "<script>document.title='owned'</script>",
  "<img src=x onerror=\"document.title='owned'\">",
  "two\nlines\tand a tab",
  "report\u202efdp.exe",
  "עברית.txt",
  "l".repeat(900),
  "a b%20c?d#e&f+g",
  "javascript:alert(1)",
];

test("hostile names are text: nothing runs, nothing reorders, nothing widens the page", async () => {
  for (const key of HOSTILE) backend.put("docs", key, key);
  await signIn("/buckets/docs/");
  await row("עברית.txt").waitFor();
  const names = await rowNames();
  expect(names.length).toBe(HOSTILE.length);
  expect(names).toContain("two‹LF›lines‹TAB›and a tab");
  expect(names).toContain("report‹U+202E›fdp.exe");
  expect(await page.title()).toBe("docs · Skerry");
  const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(await overflow()).toBeLessThanOrEqual(0);
  await page.setViewportSize(PHONE);
  expect(await overflow()).toBeLessThanOrEqual(0);
  await row("l".repeat(900)).getByRole("button").first().click();
  await page.getByRole("dialog").waitFor();
  expect(await overflow()).toBeLessThanOrEqual(0);
});

// The first one holds a slash: it is a folder.
test.each(HOSTILE.slice(1).map((key) => [JSON.stringify(key.slice(0, 30)), key] as const))(
  "an object named %s is downloaded and deleted through the page",
  async (_, key) => {
    backend.put("docs", key, `content of ${key}`);
    await signIn("/buckets/docs/");
    const downloading = page.waitForEvent("download");
    await page.getByRole("link", { name: /^Download/ }).click();
    expect(await Bun.file(await (await downloading).path()).text()).toBe(`content of ${key}`);
    await page.locator("tbody .row-name").click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete 1 object" }).click();
    await text("This bucket is empty").waitFor();
    expect(backend.buckets.get("docs")!.objects.size).toBe(0);
  },
);

test("an access cookie that is over is renewed without a word, in what is done and when a page is opened", async () => {
  backend.put("photos", "a.jpg", "x");
  await signIn("/");
  backend.expireAccess();
  await page.getByRole("link", { name: "Access keys" }).click();
  await heading("Access keys").waitFor();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  backend.expireAccess();
  await page.goto(`${backend.url}/buckets/photos/`);
  await row("a.jpg").waitFor();
});

test("when the session ends the person signs in again and is where they were", async () => {
  backend.put("docs", "a/b/c.txt", "x");
  await signIn("/buckets/docs/a/");
  const folder = page.getByRole("link", { name: "b", exact: true });
  await folder.waitFor();
  backend.endSessions();
  await folder.click();
  await text("Your session ended. Sign in again to go on where you were.").waitFor();
  await page.getByLabel("User name").fill(USER.name);
  await page.getByLabel("Password").fill(USER.password);
  await page.keyboard.press("Enter");
  await row("c.txt").waitFor();
  expect(new URL(page.url()).pathname).toBe("/buckets/docs/a/b/");
});

test("back and forward walk through the folders, and a reload stays", async () => {
  backend.put("docs", "a/b/c.txt", "x");
  await signIn("/buckets/docs/");
  await page.getByRole("link", { name: "a", exact: true }).click();
  await page.getByRole("link", { name: "b", exact: true }).click();
  await row("c.txt").waitFor();
  await page.goBack();
  await heading("a").waitFor();
  await page.goForward();
  await page.reload();
  await heading("b").waitFor();
  await page.getByRole("navigation", { name: "Folder" }).getByRole("link", { name: "docs" }).click();
  await heading("docs").waitFor();
});

test("an error of the listing is told and can be retried", async () => {
  backend.put("docs", "report.txt", "");
  backend.failNext(/objects\?/, 503, "NOT_READY", "The master is starting.");
  await signIn("/buckets/docs/");
  await text("The master is starting.").waitFor();
  await page.getByRole("button", { name: "Try again" }).click();
  await row("report.txt").waitFor();
});

test("an unknown bucket and an unknown address say so", async () => {
  await signIn("/buckets/nowhere/");
  await page.getByText("There is no bucket named “nowhere”").waitFor();
  await page.goto(`${backend.url}/no/such/page`);
  await text("This address leads nowhere in the dashboard.").waitFor();
});

test("an access key shows its secret once and is gone after it is revoked", async () => {
  await signIn("/keys");
  await text("No access keys").waitFor();
  await page.getByRole("button", { name: "Create access key" }).click();
  await text("s3cr3t".repeat(7)).waitFor();
  // A click that misses the dialog must not lose the secret.
  await page.mouse.click(8, 400);
  await page.getByRole("button", { name: "I have saved it" }).click();
  await row("SKTEST00000000000000").waitFor();
  expect(await page.content()).not.toContain("s3cr3t");
  await page.getByRole("button", { name: "Revoke SKTEST00000000000000" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke key" }).click();
  await text("No access keys").waitFor();
});

test("the storage page tells which chunkserver is down", async () => {
  await signIn("/storage");
  await text("2 of 3").waitFor();
  expect(await row("127.0.0.1:40103").textContent()).toContain("Down");
  expect(await row("127.0.0.1:40101").textContent()).toContain("Alive");
});

test("the theme follows the system until it is chosen, and the choice outlives a reload", async () => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.emulateMedia({ colorScheme: "light" });
  await page.goto(backend.url);
  await heading("Sign in").waitFor();
  const light = await ground();
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await ground();
  expect(dark).not.toBe(light);
  await page.getByRole("button", { name: "Use the light theme" }).click();
  expect(await ground()).toBe(light);
  await page.reload();
  await heading("Sign in").waitFor();
  expect(await ground()).toBe(light);
});

test("the keyboard alone opens a folder, and focus lands on its heading", async () => {
  backend.put("docs", "a/b.txt", "");
  await signIn("/buckets/docs/");
  await page.getByRole("link", { name: "a", exact: true }).focus();
  await page.keyboard.press("Enter");
  await row("b.txt").waitFor();
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("a");
});

test("signing out ends the session on the server too and forgets the uploads", async () => {
  backend.put("docs", "present.txt", "");
  await signIn("/buckets/docs/");
  await page
    .getByLabel("Files to upload")
    .setInputFiles([{ name: "private.txt", mimeType: "", buffer: Buffer.from("p") }]);
  await text("1 file uploaded").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await heading("Sign in").waitFor();
  await page.getByLabel("User name").fill(USER.name);
  await page.getByLabel("Password").fill(USER.password);
  await page.keyboard.press("Enter");
  await row("present.txt").waitFor();
  expect(await page.getByRole("region", { name: "Uploads" }).count()).toBe(0);
  await page.getByRole("button", { name: "Sign out" }).click();
  await heading("Sign in").waitFor();
  await page.reload();
  await heading("Sign in").waitFor();
});

test("the pages of the storage and their dialogs fit a phone and are accessible in both themes", async () => {
  await page.goto(backend.url);
  await page.getByLabel("User name").waitFor();
  await shoot(page, "sign-in-without-providers");
  await signIn();
  await text("No buckets yet").waitFor();
  await shoot(page, "no-buckets");
  const hour = 3_600_000;
  const keys = ["dir/1", "report\u202efdp.exe", "עברית.txt", "minutes of the meeting about the meetings.pdf"];
  for (const [n, key] of keys.entries()) {
    backend.put("docs", key, "x".repeat(10 ** (n + 2)), Date.now() - 20 * n * hour);
  }
  backend.put("docs-2", "x", "x");
  backend.buckets.get("docs-2")!.objects.clear();
  await page.goto(backend.url);
  await row("docs-2").waitFor();
  await shoot(page, "buckets");
  await page.getByRole("button", { name: "Create bucket" }).click();
  await page.getByLabel("Name", { exact: true }).fill("My_Bucket");
  await shoot(page, "create-bucket");
  await page.goto(`${backend.url}/buckets/docs-2/`);
  await text("This bucket is empty").waitFor();
  await shoot(page, "empty-bucket");
  await page.goto(`${backend.url}/buckets/docs/`);
  await row("dir").waitFor();
  backend.failNext(/^PUT /, 503, "NOT_ENOUGH_SERVERS", "Fewer than 2 chunkservers are up.");
  await page
    .getByLabel("Files to upload")
    .setInputFiles({ name: "broken.bin", mimeType: "", buffer: Buffer.alloc(10) });
  await text("Fewer than 2 chunkservers are up.").waitFor();
  const release = backend.hold(/^PUT /);
  await page.getByLabel("Files to upload").setInputFiles(
    ["one", "two", "three", "four"].map((name) => ({
      name: `${name}.mov`,
      mimeType: "",
      buffer: Buffer.alloc(4e6),
    })),
  );
  await page.getByText("· waiting").waitFor();
  await shoot(page, "uploads");
  release();
  await row("four.mov").waitFor();
  await page.getByRole("checkbox", { name: "Select dir" }).check();
  await shoot(page, "selection-and-failed-upload");
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByRole("dialog").waitFor();
  await shoot(page, "delete");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "עברית.txt", exact: true }).click();
  await page.getByRole("dialog").waitFor();
  await shoot(page, "object");
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: "Access keys" }).click();
  await page.getByRole("button", { name: "Create access key" }).first().click();
  await page.getByRole("dialog").waitFor();
  await shoot(page, "access-key-created");
  await page.goto(`${backend.url}/keys`);
  await page.getByRole("row").nth(1).waitFor();
  await shoot(page, "access-keys");
  await page.goto(`${backend.url}/storage`);
  await text("Chunkservers alive").waitFor();
  await shoot(page, "storage");
  await page.goto(`${backend.url}/nowhere`);
  await heading("Nothing here").waitFor();
  await shoot(page, "not-found");
  backend.failNext(/GET .*session$/, 503, "NOT_READY", "starting");
  await page.goto(backend.url);
  await text("Skerry does not answer").waitFor();
  await shoot(page, "no-answer");
}, 120_000);
