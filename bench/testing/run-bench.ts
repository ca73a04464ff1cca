import { join } from "node:path";

const SKERRY = join(import.meta.dir, "../../skerry");

/** Runs `skerry bench ...words` to its end. */
export async function runBench(
  ...words: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = Bun.spawn([SKERRY, "bench", ...words], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}
