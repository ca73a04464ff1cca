import { AuditError } from "./errors.ts";

/** Lets so many run at a time, and refuses more. */
export class RunningLimit {
  private running = 0;

  constructor(
    private readonly max: number,
    /** What runs, for the message: "exports". */
    private readonly what: string,
  ) {}

  /** Throws `busy`. Call what it returns once, at the end. */
  enter(): () => void {
    if (this.running >= this.max)
      throw new AuditError("busy", `Too many ${this.what} at a time; try again shortly`);
    this.running++;
    return () => {
      this.running--;
    };
  }
}
