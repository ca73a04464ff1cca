import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");

/** The commit that is measured, with `+changes` where the working tree differs; `unknown` without git. */
export function gitRevision(): string {
  const git = (...words: string[]): string | undefined => {
    const { success, stdout } = Bun.spawnSync(["git", "-C", ROOT, ...words], { stderr: "ignore" });
    return success ? stdout.toString().trim() : undefined;
  };
  try {
    const commit = git("rev-parse", "--short=12", "HEAD");
    if (commit === undefined) return "unknown";
    return git("status", "--porcelain") === "" ? commit : `${commit}+changes`;
  } catch {
    return "unknown"; // There is no git on this machine.
  }
}
