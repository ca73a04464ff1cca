// The same ceremonies with a real browser and its virtual authenticator, through the API.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Browser, chromium, type Page } from "playwright-core";
import { silentLog } from "../../../std/log.ts";
import { createAuthApp } from "../app.ts";
import type { AuthService } from "../service.ts";
import { AuthBench, PASSWORD, signedIn } from "../test-auth.ts";

// A real PostgreSQL and a browser on a loaded machine.
setDefaultTimeout(60_000);

const ORIGIN = "https://cloud.test:8443";
let bench: AuthBench;
let auth: AuthService;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  bench = await AuthBench.start();
  ({ auth } = await bench.open());
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
  browser = await chromium.launch({
    executablePath: process.env.SKERRY_TEST_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
  page = await browser.newPage();
  await serve(page);
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  await page.goto(`${ORIGIN}/page`);
});

afterAll(async () => {
  await browser.close();
  await bench.stop();
});

/** Answers the page's requests by the API, without a name server or a certificate in between. */
async function serve(page: Page): Promise<void> {
  const app = createAuthApp(auth, silentLog);
  await page.route(`${ORIGIN}/**`, async (route) => {
    const request = route.request();
    if (new URL(request.url()).pathname === "/page") {
      return route.fulfill({ contentType: "text/html", body: "<!doctype html><title>test</title>" });
    }
    const body = request.postData() ?? undefined;
    const init = { method: request.method(), headers: await request.allHeaders(), body };
    const answer = await app.fetch(new Request(request.url(), init), { source: "192.0.2.1" });
    return route.fulfill({
      status: answer.status,
      contentType: "application/json",
      body: await answer.text(),
    });
  });
}

/** What a page does to make a passkey; returns the status and what the API says. */
function register(token: string) {
  return page.evaluate(async (token) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const begun = await (await fetch("/passkeys/registration", { method: "POST", headers })).json();
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(begun.options);
    const made = (await navigator.credentials.create({ publicKey })) as PublicKeyCredential;
    const body = JSON.stringify({ state: begun.state, name: "laptop", response: made.toJSON() });
    const answer = await fetch("/passkeys", { method: "POST", headers, body });
    return { status: answer.status, body: await answer.json() };
  }, token);
}

/** What a page does to prove a passkey that was asked for by `begun`. */
function prove(begun: unknown, path: string) {
  return page.evaluate(
    async ([begun, path]) => {
      const { state, options } = begun as { state: string; options: PublicKeyCredentialRequestOptionsJSON };
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
      const found = (await navigator.credentials.get({ publicKey })) as PublicKeyCredential;
      const body = JSON.stringify({ state, response: found.toJSON() });
      const headers = { "content-type": "application/json" };
      const answer = await fetch(path, { method: "POST", headers, body });
      return { status: answer.status, body: await answer.json() };
    },
    [begun, path] as const,
  );
}

test("a browser makes a passkey, then signs in with it, alone and after the password", async () => {
  const made = await register((await signedIn(auth, "root")).token);
  expect(made).toMatchObject({ status: 201, body: { name: "laptop" } });
  const alone = await prove(await auth.passkeySignIn.begin(), "/session/passkey");
  expect(alone).toMatchObject({ status: 201, body: { user: { name: "root" } } });
  const asked = await auth.signIn("root", PASSWORD, { source: "192.0.2.1", userAgent: "test" });
  const second = await prove("secondFactor" in asked && asked.secondFactor, "/session/second-factor");
  expect(second).toMatchObject({ status: 201, body: { user: { name: "root" } } });
});
