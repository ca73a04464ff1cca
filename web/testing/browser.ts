import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

/** No sandbox, since tests may run as root; no traffic of the browser's own. */
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export const DESKTOP = { width: 1280, height: 800 };
/** The narrowest with the desktop's layout. */
export const TABLET = { width: 768, height: 1024 };
export const PHONE = { width: 390, height: 844 };

/** `more`: further arguments of the command line. */
export function launchBrowser(more: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.SKERRY_TEST_CHROMIUM ?? "/usr/bin/chromium",
    args: [...ARGUMENTS, ...more],
  });
}

/** A page that collects what goes wrong in it: exceptions, failed assets, violations of the content policy. */
export async function openPage(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.newContext({ viewport: DESKTOP, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // The browser logs every 4xx answer; those that matter are checked by what the page shows.
    const expected = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !expected) complaints.push(message.text());
  });
  return { page, complaints };
}
