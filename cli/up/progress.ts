import type { Output } from "../command.ts";
import type { Endpoints } from "./credentials.ts";
import type { FirstSecrets } from "./first-start.ts";

/** What `up` tells the person who waits for it. */
export class Progress {
  private readonly startedAt = performance.now();
  private stopAt: number | undefined;

  constructor(private readonly output: Output) {}

  step(what: string): void {
    const seconds = ((performance.now() - this.startedAt) / 1000).toFixed(1);
    this.output.out(
      this.output.terminal
        ? `\x1b[32m✓\x1b[0m ${what} \x1b[2m${seconds} s\x1b[0m\n`
        : `${what} in ${seconds} s\n`,
    );
  }

  note(what: string): void {
    this.output.out(`${what}\n`);
  }

  stopping(): void {
    this.stopAt = performance.now();
    this.output.out("stopping; a second signal ends all of it at once\n");
  }

  stopped(): void {
    if (this.stopAt === undefined) return;
    this.output.out(`stopped in ${((performance.now() - this.stopAt) / 1000).toFixed(1)} s\n`);
  }

  warn(what: string): void {
    this.output.err(`skerry: ${what}\n`);
  }

  /** Told once, on the first start. */
  secrets(secrets: FirstSecrets, endpoints: Endpoints, file: string): void {
    const rows = [
      ["Console", endpoints.console],
      ["  user", secrets.user],
      ["  password", secrets.password],
      ["S3", endpoints.s3],
      ["  region", endpoints.region],
      ["  access key", secrets.accessKeyId],
      ["  secret key", secrets.secretAccessKey],
      ["Certificate", endpoints.ca],
    ];
    const lines = rows.map(([name, value]) => `  ${name!.padEnd(14)}${value}`);
    this.output.out(`\n${lines.join("\n")}\n\n  This is told once; it is also in ${file}\n\n`);
  }

  /** Tests and scripts wait for this line. */
  ready(url: string): void {
    this.output.out(`ready ${url}\n`);
  }
}
