// Asks a running cloud, over its admin socket: whoever may open that socket is an administrator.
import { CommandError } from "./command.ts";
import { type DataDirectory, existingDataDirectory } from "./data-directory.ts";

const ANSWER_MS_MAX = 15_000;

export interface AdminAnswer {
  status: number;
  body: unknown;
}

export class AdminClient {
  constructor(private readonly data: DataDirectory) {}

  /** For the running cloud on the data directory at `path`; throws {@link CommandError} where there is none. */
  static async of(path: string): Promise<AdminClient> {
    return new AdminClient(await existingDataDirectory(path));
  }

  /** The JSON of a 2xx answer. Throws {@link CommandError} with what the API says, or how to start it. */
  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.ask(method, path, body);
    if (answer.status >= 200 && answer.status < 300) return answer.body as T;
    throw new CommandError(errorMessage(answer));
  }

  /** The lines of an answer that goes on, without empty ones, until it ends. Throws {@link CommandError} as {@link call} does. */
  async *lines(path: string): AsyncGenerator<string> {
    const response = await fetch(`http://admin${path}`, { unix: this.data.adminSocket }).catch((cause) => {
      throw new CommandError(unreachable(this.data, cause as Error), { cause });
    });
    if (!response.ok)
      throw new CommandError(errorMessage({ status: response.status, body: await response.json() }));
    let rest = "";
    const texts = response.body!.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
    for (;;) {
      const { value: text, done } = await texts.next().catch((cause: Error) => {
        throw new CommandError(`the connection to ${this.data.adminSocket} was lost`, { cause });
      });
      if (done) return;
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) if (line !== "") yield line;
    }
  }

  /** Any answer; throws {@link CommandError} where none comes. */
  async ask(method: string, path: string, body?: unknown): Promise<AdminAnswer> {
    try {
      const response = await fetch(`http://admin${path}`, {
        unix: this.data.adminSocket,
        method,
        headers: body === undefined ? {} : { "content-type": "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      });
      const text = await response.text();
      return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
    } catch (cause) {
      throw new CommandError(unreachable(this.data, cause as Error), { cause });
    }
  }
}

/** What to say where nothing serves `data`. */
export function notRunning(data: DataDirectory): CommandError {
  return new CommandError(`not running on ${data.path}; start it with: skerry up --data ${data.path}`);
}

function unreachable(data: DataDirectory, cause: Error): string {
  if (cause.name === "TimeoutError")
    return `no answer from ${data.adminSocket} within ${ANSWER_MS_MAX / 1000} s`;
  if (cause instanceof SyntaxError) return `the answer from ${data.adminSocket} is not JSON`;
  return notRunning(data).message;
}

/** What the API says of a refusal. */
export function errorMessage({ status, body }: AdminAnswer): string {
  const message = (body as { error?: { message?: unknown } } | undefined)?.error?.message;
  return typeof message === "string" ? message : `the answer was ${status}`;
}
