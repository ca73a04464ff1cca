import type { Output } from "../command.ts";
import { bytes } from "../quantities.ts";

const STEPS = 10;

/** Says on standard error how far `what` is, ten times at most. */
export function progressOf(output: Output, what: string): (done: number, total: number) => void {
  let told = 0;
  return (done, total) => {
    const step = Math.floor((done / total) * STEPS);
    if (step <= told || total === 0) return;
    told = step;
    output.err(`${what} ${bytes(done)} of ${bytes(total)}\n`);
  };
}
