// A broken build in a process of its own: it does what the right one does while nothing goes wrong.
import type { BrokenBuild } from "../broken-builds.ts";
import { loadRoles } from "../roles.ts";
import { Scenario } from "./scenario.ts";

const scenario = new Scenario(await loadRoles({ broken: process.argv[2] as BrokenBuild }), 1);
await scenario.startAll();
await scenario.load(500);
const wrong = await scenario.wrongKeys();
const isFine = scenario.acknowledged.size > 0 && wrong.length === 0;
process.stdout.write(
  isFine ? "stored and read\n" : `${scenario.acknowledged.size} stored, ${wrong.length} wrong\n`,
);
