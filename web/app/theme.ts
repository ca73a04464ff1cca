// The theme: the system's, unless the person chose one. Kept in localStorage, applied to <html data-theme>.

export type Theme = "light" | "dark";

const STORAGE_KEY = "skerry-theme";

/** The person's choice, or undefined where the system decides (also where storage is forbidden). */
export function chosenTheme(): Theme | undefined {
  try {
    const stored = localStorage.getItem(STORAGE_KEY);
    return stored === "light" || stored === "dark" ? stored : undefined;
  } catch {
    return undefined; // Storage can be denied by the browser: the choice then lasts as long as the page.
  }
}

/** What is shown now. */
export function currentTheme(): Theme {
  const applied = document.documentElement.dataset.theme;
  if (applied === "light" || applied === "dark") return applied;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function chooseTheme(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(STORAGE_KEY, theme);
  } catch {
    // See chosenTheme.
  }
}
