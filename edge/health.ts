import type { Clock } from "../std/clock.ts";

/** Why this process cannot serve, or nothing: a list of problems, each a sentence. */
export type Problems = readonly string[];

/** An answer is given again for so long: a look at health must not become a load of its own. */
const FRESH_MS = 1_000;

/** `GET /healthz` of all listeners. */
export class Health {
  private last: { problems: Promise<Problems>; at: number } | undefined;
  private draining = false;

  constructor(
    private readonly clock: Clock,
    private readonly check: () => Promise<Problems>,
  ) {}

  /** From now on the answer is 503, so that whoever balances load looks elsewhere. */
  drain(): void {
    this.draining = true;
  }

  /** 200 where this process can serve, else 503 and the reasons. */
  async respond(): Promise<Response> {
    const { status, body } = await this.answer();
    return Response.json(body, { status, headers: { "cache-control": "no-store" } });
  }

  async answer(): Promise<{ status: number; body: { status: string; problems?: Problems } }> {
    if (this.draining)
      return { status: 503, body: { status: "stopping", problems: ["this gateway is stopping"] } };
    const problems = await this.problems();
    if (problems.length === 0) return { status: 200, body: { status: "ok" } };
    return { status: 503, body: { status: "unavailable", problems } };
  }

  private problems(): Promise<Problems> {
    const now = this.clock.monotonic();
    if (!this.last || now - this.last.at > FRESH_MS) this.last = { problems: this.check(), at: now };
    return this.last.problems;
  }
}
