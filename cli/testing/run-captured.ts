import type { Output } from "../command.ts";
import { runCommandLine } from "../commands.ts";

export interface Captured {
  code: number;
  out: string;
  err: string;
}

/** Starts a command in this process, with no environment and no terminal; `told` grows as it speaks. */
export function startCaptured(argv: string[]): {
  told: { out: string; err: string };
  ended: Promise<number>;
} {
  const told = { out: "", err: "" };
  const output: Output = {
    out: (text) => {
      told.out += text;
    },
    err: (text) => {
      told.err += text;
    },
    terminal: false,
  };
  return { told, ended: runCommandLine(argv, {}, output) };
}

/** Runs it to its end. */
export async function runCaptured(argv: string[]): Promise<Captured> {
  const { told, ended } = startCaptured(argv);
  return { code: await ended, ...told };
}
