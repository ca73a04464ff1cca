import { describe, expect, test } from "bun:test";
import { systemClock } from "../../std/clock.ts";
import { ChunkDirectory } from "./directory.ts";
import { ServerTable } from "./servers.ts";

const SEALED = { version: 2, length: 500, sealed: true };

/** A directory that knows the sealed chunks 1 and 2, of which server "a" has told 1. */
function known(): ChunkDirectory {
  const directory = new ChunkDirectory(new ServerTable(systemClock));
  for (const handle of [1, 2]) {
    const row = { handle, version: 2, state: "sealed" as const, length: 500, members: ["a", "b", "c"] };
    directory.load({ ...row, changedAt: 0, committed: 500, live: 500 });
  }
  directory.beginReport("a");
  directory.report("a", { handle: 1, ...SEALED });
  directory.endReport("a");
  return directory;
}

describe("a report that is told again", () => {
  test("counts what it leaves out and had told as lost", () => {
    const directory = known();
    directory.repeatReport("a");
    expect(directory.endReport("a")).toBe(1);
    expect(directory.get(1)!.replicas.has("a")).toBe(false);
  });

  test("cannot lose a replica that was only ever confessed as damaged", () => {
    const directory = known();
    directory.confessDamage(2, "a");
    directory.repeatReport("a");
    directory.report("a", { handle: 1, ...SEALED });
    expect(directory.endReport("a")).toBe(0);
    directory.confessDamage(2, "a");
    expect(directory.get(2)!.replicas.get("a")).toMatchObject({ damaged: true });
  });
});
