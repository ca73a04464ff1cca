import type { Output } from "./command.ts";
import { runCommandLine } from "./commands.ts";

/** Bytes that wait for a reader that is slower than what is said; above it, lines are dropped. */
const WAITING_BYTES_MAX = 4 << 20;

function writer(stream: NodeJS.WriteStream): (text: string) => void {
  // Whoever read it is gone (`skerry status | head -1`): that is no reason to stop.
  stream.on("error", () => {});
  return (text) => {
    if (stream.writableLength < WAITING_BYTES_MAX) stream.write(text);
  };
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableLength === 0) return resolve();
    stream.once("close", resolve);
    stream.write("", () => resolve());
  });
}

const output: Output = {
  out: writer(process.stdout),
  err: writer(process.stderr),
  terminal: process.stdout.isTTY === true && process.env.NO_COLOR === undefined,
};

const code = await runCommandLine(process.argv.slice(2), process.env, output);
// Kept-alive connections and the like must not hold up a command that is done.
await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
process.exit(code);
