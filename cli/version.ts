import { join } from "node:path";
import manifest from "../package.json" with { type: "json" };

export const VERSION: string = manifest.version;
/** The directory of the program: the one with package.json. */
export const ROOT: string = join(import.meta.dir, "..");
/** How to start `cli/skerry.ts` again, as the shim does it. */
export const SELF: readonly string[] = [
  process.execPath,
  "--no-install",
  "--no-env-file",
  `--config=${join(ROOT, "bunfig.toml")}`,
  join(import.meta.dir, "skerry.ts"),
];
