import type { Clock } from "../../std/clock.ts";
import type { Log } from "../../std/log.ts";
import type { Random } from "../../std/random.ts";
import type { Store } from "../store/store.ts";
import type { ChunkDirectory } from "./directory.ts";
import type { ServerTable } from "./servers.ts";

/** What everything that looks after chunks works with. */
export interface ChunkParts {
  clock: Clock;
  log: Log;
  random: Random;
  store: Store;
  servers: ServerTable;
  directory: ChunkDirectory;
}
