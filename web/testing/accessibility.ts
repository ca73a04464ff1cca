import { readFileSync } from "node:fs";
import type { AxeResults, ImpactValue, RunOptions } from "axe-core";
import type { Page } from "playwright-core";

const SOURCE = readFileSync(Bun.resolveSync("axe-core/axe.min.js", import.meta.dir), "utf8");

const FAILING: readonly ImpactValue[] = ["serious", "critical"];
/** Only colours change with the theme. */
const COLOURS: RunOptions = { runOnly: ["color-contrast"] };

/** Rejects where axe finds a serious violation in what `page` shows, in either theme. Leaves the light one. */
export async function checkAccessibility(page: Page, name: string): Promise<void> {
  // Evaluated by the debugger, which the page's content policy does not bind.
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(SOURCE);
  // A colour that is still on its way from one theme to the other is not what people read.
  await page.emulateMedia({ colorScheme: "dark", reducedMotion: "reduce" });
  const dark = await run(page, COLOURS);
  await page.emulateMedia({ colorScheme: "light" });
  const problems = [...(await run(page, {})), ...dark.map((problem) => `dark: ${problem}`)];
  if (problems.length > 0) throw new Error(`${name} is not accessible:\n${problems.join("\n")}`);
}

interface WithAxe {
  axe: { run(of: Document, options: RunOptions): Promise<AxeResults> };
}

async function run(page: Page, options: RunOptions): Promise<string[]> {
  const given: RunOptions = { ...options, resultTypes: ["violations"] };
  const { violations } = await page.evaluate(
    (how) => (globalThis as unknown as WithAxe).axe.run(document, how),
    given,
  );
  return violations
    .filter(({ impact }) => FAILING.includes(impact ?? null))
    .flatMap(({ id, help, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${help}\n  ${html}\n  ${failureSummary}`),
    );
}
