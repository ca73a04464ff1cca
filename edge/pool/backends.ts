import type { Clock } from "../../std/clock.ts";
import type { Log } from "../../std/log.ts";

const CHECK_EVERY_MS = 2_000;
const CHECK_TIMEOUT_MS = 2_000;

interface Backend {
  /** Without a slash at the end. */
  readonly url: string;
  healthy: boolean;
}

/** Processes that answer the same: asked in turn, those that fail their health check left out. */
export class Backends {
  private readonly backends: Backend[];
  private next = 0;
  private closed = false;

  constructor(
    urls: readonly string[],
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    // Taken to be well until they are asked, so that the first requests need not wait.
    this.backends = urls.map((url) => ({ url: url.replace(/\/+$/, ""), healthy: true }));
    this.look();
  }

  /** The one whose turn it is; undefined where none is well. */
  pick(): string | undefined {
    for (let tries = 0; tries < this.backends.length; tries++) {
      const backend = this.backends[this.next++ % this.backends.length]!;
      if (backend.healthy) return backend.url;
    }
    return undefined;
  }

  /** A request could not reach `url`: nobody else is sent there until it answers a check. */
  failed(url: string): void {
    const backend = this.backends.find((candidate) => candidate.url === url);
    if (backend) this.note(backend, false);
  }

  close(): void {
    this.closed = true;
  }

  private look(): void {
    if (this.closed) return;
    const looks = this.backends.map(async (backend) => this.note(backend, await answers(backend.url)));
    void Promise.all(looks).then(() => this.clock.after(CHECK_EVERY_MS, () => this.look()));
  }

  private note(backend: Backend, healthy: boolean): void {
    if (backend.healthy === healthy) return;
    backend.healthy = healthy;
    const { url } = backend;
    if (healthy) this.log.info("a backend answers again", { url });
    else this.log.warn("a backend does not answer", { url });
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(CHECK_TIMEOUT_MS) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
