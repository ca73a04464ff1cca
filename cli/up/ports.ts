import { createServer } from "node:net";
import { UsageError } from "../../std/config.ts";
import { CommandError } from "../command.ts";

export interface WantedPort {
  port: number;
  /** What it is for, in a message: "HTTPS". */
  purpose: string;
  /** The flag that chooses another, with its dashes. */
  flag: string;
}

/** Throws {@link UsageError} where two flags name one port. */
export function checkDistinct(wanted: readonly WantedPort[]): void {
  for (const [index, one] of wanted.entries()) {
    const other = wanted.slice(index + 1).find(({ port }) => port !== 0 && port === one.port);
    if (other) throw new UsageError(`${one.flag} and ${other.flag} are both ${one.port}`);
  }
}

/** Throws {@link CommandError} for the first of `wanted` that this process cannot listen on at `host`. */
export async function checkFree(host: string, wanted: readonly WantedPort[]): Promise<void> {
  for (const { port, purpose, flag } of wanted) {
    const code = await listenError(host, port);
    if (code !== undefined) throw new CommandError(explain(code, host, port, purpose, flag));
  }
}

/** Whether this process could listen on `port` at `host`. */
export async function isFree(host: string, port: number): Promise<boolean> {
  return (await listenError(host, port)) === undefined;
}

/** A port at `host` that was free a moment ago. */
export async function freePort(host: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer();
  server.once("error", reject);
  server.listen({ host, port: 0 }, () => {
    const address = server.address();
    const port = typeof address === "object" && address ? address.port : 0;
    server.close(() => resolve(port));
  });
  return promise;
}

/** Node's error code of an attempt to listen, or undefined where it works. */
function listenError(host: string, port: number): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const server = createServer();
  server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  return promise;
}

function explain(code: string, host: string, port: number, purpose: string, flag: string): string {
  switch (code) {
    case "EADDRINUSE":
      return `port ${port} for ${purpose} is in use on ${host}; stop what uses it, or choose another with ${flag}`;
    case "EACCES":
      return `port ${port} for ${purpose} needs more rights than this user has; choose one above 1023 with ${flag}`;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return `this machine has no address ${host}; choose another with --host`;
    default:
      return `cannot listen on ${host}:${port} for ${purpose} (${code}); choose another with ${flag} or --host`;
  }
}
