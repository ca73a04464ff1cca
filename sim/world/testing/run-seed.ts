// One run of a seed in a fresh process: prints its trace hash and what came of it. Usage: run-seed.ts SEED [BROKEN BUILD]
import type { BrokenBuild } from "../broken-builds.ts";
import { loadRoles } from "../roles.ts";
import { Scenario } from "./scenario.ts";

const LOAD_MS = 20_000;

const [seed, broken] = process.argv.slice(2);
const scenario = new Scenario(await loadRoles({ broken: broken as BrokenBuild | undefined }), Number(seed));
await scenario.startAll();
const trouble = scenario.trouble(LOAD_MS);
await scenario.load(LOAD_MS);
await scenario.world.run(trouble, 60_000);
scenario.world.network.heal();
await scenario.powerLossOfAll();
const wrong = await scenario.wrongKeys();
const { world, acknowledged, failures } = scenario;
const { traceHash, traceEvents } = world;
const result = { traceHash, traceEvents, acknowledged: acknowledged.size, failures, wrong: wrong.length };
process.stdout.write(`${JSON.stringify(result)}\n`);
