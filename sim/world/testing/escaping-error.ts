// A process of its own, since a test runner takes errors that escape for its tests'.
import { World } from "../world.ts";

const world = new World(1);
const { clock } = await world.run(
  world.node("n").start(async (env) => env),
  100,
);
clock.after(10, () => void Promise.reject(new Error("escaped")));
await world
  .run(() => false, 1_000)
  .catch((error: Error) => process.stdout.write(`ended by: ${error.message}\n`));
