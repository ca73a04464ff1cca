// A process that runs seeds: gets one line of JSON for each on its standard input, and answers one line for each.
//   bun sim/run/worker.ts [broken build]
import { createInterface } from "node:readline";
import type { BrokenBuild } from "../world/broken-builds.ts";
import { loadRoles } from "../world/roles.ts";
import { type RunRequest, runSeed } from "./run-seed.ts";

const build = process.argv[2] as BrokenBuild | undefined;
const roles = await loadRoles(build ? { broken: build } : {});
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as RunRequest;
  const outcome = await runSeed(roles, request);
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}
