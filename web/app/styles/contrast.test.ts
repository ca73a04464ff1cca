import { describe, expect, test } from "bun:test";

// Guards WCAG 2.2, 1.4.3 (text 4.5:1) and 1.4.11 (controls 3:1) in both themes.
const css = await Bun.file(new URL("./tokens.css", import.meta.url)).text();
const TEXT_RATIO = 4.5;
const CONTROL_RATIO = 3;

function colour(token: string, theme: "light" | "dark"): string {
  const match = new RegExp(`--${token}: light-dark\\((#[0-9a-f]{6}), (#[0-9a-f]{6})\\)`).exec(css);
  if (!match) throw new Error(`tokens.css has no --${token} of two six-digit colours`);
  return match[theme === "light" ? 1 : 2]!;
}

function luminance(hex: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

function contrast(a: string, b: string): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light! + 0.05) / (dark! + 0.05);
}

const TEXT_PAIRS = [
  ...["text", "text-muted", "accent", "danger", "good"].map((text) => [text, "surface"]),
  ...["text", "text-muted", "accent"].flatMap((text) => [
    [text, "page"],
    [text, "hover"],
    [text, "surface-raised"],
  ]),
  ["text", "selected"],
  ["text-muted", "selected"],
  ["accent", "selected"],
  ["text", "surface-sunken"],
  ["text", "info-tint"],
  ["danger", "danger-tint"],
  ["danger", "surface-raised"],
  ["good", "good-tint"],
  ["on-accent", "accent"],
  ["on-accent", "accent-hover"],
  ["on-danger", "danger-fill"],
  ["on-danger", "danger-fill-hover"],
] as [string, string][];

describe.each(["light", "dark"] as const)("%s theme", (theme) => {
  test.each(TEXT_PAIRS)("%s is readable on %s", (text, ground) => {
    expect(contrast(colour(text, theme), colour(ground, theme))).toBeGreaterThanOrEqual(TEXT_RATIO);
  });

  test.each(["surface", "page"])("the edge of a control stands out on %s", (ground) => {
    expect(contrast(colour("line-strong", theme), colour(ground, theme))).toBeGreaterThanOrEqual(
      CONTROL_RATIO,
    );
  });
});

test("the ratio of black on white is 21", () => {
  expect(contrast("#000000", "#ffffff")).toBeCloseTo(21);
});
