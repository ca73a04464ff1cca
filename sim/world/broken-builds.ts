// Builds of the production code with one of its safeties taken out, so that the simulator can show that it would notice.
// The code itself knows nothing of them: exact pieces of its source are replaced while it is loaded.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { BunPlugin } from "bun";

interface Patch {
  /** From the root of the project. */
  file: string;
  /** Stands in the file exactly once. */
  find: string;
  replace: string;
}

export const BROKEN_BUILDS = {
  /** An append is acknowledged as soon as the primary alone has it. */
  quorum: [
    {
      file: "chunkd/server/primary-chunk.ts",
      find: "const committed = Math.min(this.chunk.length, best);",
      replace: "const committed = best >= 0 ? this.chunk.length : 0;",
    },
    {
      file: "chunkd/server/primary-chunk.ts",
      find: "assert(having.length > 0 && this.chunk.length >= end,",
      replace: "assert(this.chunk.length >= end,",
    },
    {
      file: "chunkd/server/primary-chunk.ts",
      find: "if (this.secondaries.every(({ dropped }) => dropped)) this.abort(",
      replace: "if (this.secondaries.length === 0) this.abort(",
    },
  ],
  /** Records and commands are acknowledged once they are in the page cache. */
  fsync: [
    {
      file: "chunkd/store/chunk-files.ts",
      find: "const since = clock.monotonic();\n    await file.sync();",
      replace: "const since = clock.monotonic();",
    },
    {
      file: "masterd/journal/journal.ts",
      find: "await this.file!.sync().catch((error) => this.fail(error as Error));",
      replace: "",
    },
  ],
  /**
   * A chunkserver takes appends of a lease that the master has ended, and the master commits what lies behind the end of a
   * sealed chunk. Each of the two alone protects the data.
   */
  version: [
    {
      file: "chunkd/store/chunk-store.ts",
      find: "if (version < fence) {",
      replace: "if (fence < 0) {",
    },
    {
      file: "chunkd/server/operations.ts",
      find: "const fenced = store.fence(handle, version);\n          appends.end(handle);",
      replace: "const fenced = store.fence(handle, version);",
    },
    {
      file: "masterd/catalog/chunk-table.ts",
      find: '(row.state === "sealed" && extentEnd(extent) > row.length)',
      replace: "row.length < 0",
    },
  ],
  /** Nobody looks at the checksums of blocks. */
  checksum: [
    {
      file: "chunkd/protocol/record.ts",
      find: "payload: Uint8Array, firstBlock = 0): boolean {",
      replace: "payload: Uint8Array, firstBlock = 0): boolean {\n  if (table.length > 0) return true;",
    },
  ],
} as const satisfies Record<string, readonly Patch[]>;

export type BrokenBuild = keyof typeof BROKEN_BUILDS;

/**
 * By build, the scenario that brings the system where the missing safety is the last one, as random faults seldom do: the end
 * of a lease is a matter of milliseconds, and a primary that alone has what it acknowledged must be lost right then.
 */
export const AIMED_SCENARIOS: Partial<Record<string, string>> = {
  quorum: "F12",
  version: "F27",
} satisfies Partial<Record<BrokenBuild, string>>;

const ROOT = join(import.meta.dir, "../..");

/** Which of the patched files were really loaded with their patches. */
export interface AppliedBuild {
  /** Throws unless all of them were: a module that was there before cannot be broken any more. */
  assertLoaded(): void;
}

/** From now on modules load with the patches of `build`. Throws where a piece of source is no longer found. */
export function applyBrokenBuild(build: BrokenBuild): AppliedBuild {
  const sources = brokenSources(build);
  const loaded = new Set<string>();
  const plugin: BunPlugin = {
    name: `skerry without ${build}`,
    setup(builder) {
      for (const [path, contents] of sources) {
        builder.onLoad({ filter: new RegExp(`^${RegExp.escape(path)}$`) }, () => {
          loaded.add(path);
          return { contents, loader: "ts" };
        });
      }
    },
  };
  void Bun.plugin(plugin);
  return {
    assertLoaded() {
      for (const path of sources.keys()) {
        if (!loaded.has(path)) throw new Error(`${path} was loaded before it could be broken`);
      }
    },
  };
}

/** The patched source of each file that `build` changes, by absolute path. */
export function brokenSources(build: BrokenBuild): Map<string, string> {
  const sources = new Map<string, string>();
  for (const { file, find, replace } of BROKEN_BUILDS[build]) {
    const path = join(ROOT, file);
    const source = sources.get(path) ?? readFileSync(path, "utf8");
    const pieces = source.split(find);
    if (pieces.length !== 2) {
      throw new Error(`the broken build "${build}" needs ${JSON.stringify(find)} once in ${file}: adapt it`);
    }
    sources.set(path, pieces.join(replace));
  }
  return sources;
}
