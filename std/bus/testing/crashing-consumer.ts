// For tests only: a process with a consumer that ends, without a word, at an event that says "crash".
import { silentLog } from "../../log.ts";
import { Bus } from "../bus.ts";
import { type CarrierKind, openCarrier } from "./carriers.ts";
import { until } from "./until.ts";

/** Of SIGKILL. */
const CRASHED = 137;

/** Runs it until it crashed, or until it was through with everything. */
export async function crashOn(kind: CarrierKind, url: string): Promise<"crashed" | "done"> {
  const child = Bun.spawn([process.execPath, import.meta.path, kind, url], {
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  });
  const code = await child.exited;
  if (code !== 0 && code !== CRASHED) throw new Error(`it ended with ${code}`);
  return code === 0 ? "done" : "crashed";
}

if (import.meta.main) {
  const [kind, url] = process.argv.slice(2) as [CarrierKind, string];
  const carrier = await openCarrier(kind, url);
  const bus = new Bus({ carrier, log: silentLog });
  bus.consume({
    name: "crashing",
    subjects: [">"],
    retry: { firstMs: 1, maxMs: 1, attemptsMax: 2 },
    handler: ({ data }) => {
      if (data === "crash") process.kill(process.pid, "SIGKILL");
    },
  });
  const last = await carrier.last();
  await until(async () => {
    const loaded = await carrier.loadState("crashing");
    return loaded !== undefined && (JSON.parse(loaded.state) as { position: number }).position >= last;
  });
  await bus.close();
  process.exit(0);
}
