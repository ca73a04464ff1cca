import { join } from "node:path";
import type { Page } from "playwright-core";
import { checkAccessibility } from "./accessibility.ts";
import { DESKTOP, PHONE } from "./browser.ts";

/** Where the pictures go; none are made without it. */
const SHOTS = process.env.SKERRY_TEST_SHOTS;

/**
 * Rejects where what `page` shows is wider than a desktop's or a phone's window, or not accessible. Makes pictures
 * `name-{phone,desktop}-{light,dark}.png`. Leaves a desktop's window and the light theme.
 */
export async function shoot(page: Page, name: string): Promise<void> {
  for (const [size, viewport] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
    await page.setViewportSize(viewport);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (over > 0) throw new Error(`${name} is ${over} px wider than the ${size}'s window`);
    if (SHOTS) await picture(page, join(SHOTS, `${name}-${size}`));
  }
  await checkAccessibility(page, name);
}

async function picture(page: Page, path: string): Promise<void> {
  for (const colorScheme of ["dark", "light"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.screenshot({ path: `${path}-${colorScheme}.png`, fullPage: true });
  }
}
