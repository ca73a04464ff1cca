import { join } from "node:path";
import type { Page } from "playwright-core";
import { checkAccessibility } from "./accessibility.ts";
import { DESKTOP, PHONE, TABLET } from "./browser.ts";

/** Where the pictures go; none are made without it. */
const SHOTS = process.env.SKERRY_TEST_SHOTS;

/** Less is not read as a name: an icon and a few letters. */
const NAME_PX_MIN = 160;

/**
 * Rejects where what `page` shows is wider than the window of a phone, a tablet or a desktop, leaves no room for the
 * names in a table, or is not accessible. Makes pictures `name-{phone,tablet,desktop}-{light,dark}.png`. Leaves a
 * desktop's window and the light theme.
 */
export async function shoot(page: Page, name: string): Promise<void> {
  for (const [size, viewport] of Object.entries({ phone: PHONE, tablet: TABLET, desktop: DESKTOP })) {
    await page.setViewportSize(viewport);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (over > 0) throw new Error(`${name} is ${over} px wider than the ${size}'s window`);
    const names = await page
      .locator(".cell-name")
      .evaluateAll((cells) => cells.map((cell) => cell.clientWidth));
    if (names.some((width) => width < NAME_PX_MIN)) throw new Error(`${name}: no room for names, ${size}`);
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
