// Each broken build still finds what it takes out, and what it makes of it loads and runs.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { BROKEN_BUILDS, type BrokenBuild, brokenSources } from "./broken-builds.ts";

const BUILDS = Object.keys(BROKEN_BUILDS) as BrokenBuild[];
const SCRIPT = join(import.meta.dir, "testing/start-broken.ts");

test.each(BUILDS)("the build without its %s applies and serves", async (build) => {
  const child = Bun.spawn([process.execPath, SCRIPT, build], { stdout: "pipe", stderr: "inherit" });
  const text = await new Response(child.stdout).text();
  expect(await child.exited).toBe(0);
  expect(text).toBe("stored and read\n");
});

test("only the files that a build names are another's, each by what it names", async () => {
  for (const build of BUILDS) {
    for (const [path, source] of brokenSources(build)) {
      const own = await Bun.file(path).text();
      expect(source).not.toBe(own);
      const patches = BROKEN_BUILDS[build].filter(({ file }) => path.endsWith(file));
      let restored = source;
      for (const { find, replace } of patches.toReversed()) {
        if (replace !== "") expect(restored).toContain(replace);
        restored = replace === "" ? own : restored.replace(replace, () => find);
      }
      expect(restored).toBe(own);
    }
  }
});
