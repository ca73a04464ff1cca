import * as fs from "node:fs";

export interface RotationLimits {
  /** A file that has reached this size is set aside, bytes. */
  sizeMax: number;
  /** How many files that were set aside are kept: `<path>.1` is the newest. */
  kept: number;
}

const ROTATION: RotationLimits = { sizeMax: 16 << 20, kept: 4 };

/** A log file of bounded size. What cannot be written (a full disk) is dropped: logging must never stop a server. */
export class RotatingFile {
  private descriptor: number;
  private size: number;
  private waiting: string[] = [];
  private dropped = 0;

  /** Throws Node's errors when the file cannot be opened. */
  constructor(
    private readonly path: string,
    private readonly limits: RotationLimits = ROTATION,
  ) {
    this.descriptor = fs.openSync(path, "a", 0o600);
    this.size = fs.fstatSync(this.descriptor).size;
  }

  /** Takes `line`, with its end; lines of one turn of the event loop leave in one write. */
  write(line: string): void {
    if (this.waiting.length === 0) setImmediate(() => this.flush());
    this.waiting.push(line);
  }

  /** Writes what waits. */
  flush(): void {
    if (this.waiting.length === 0) return;
    const bytes = Buffer.from(this.waiting.join(""));
    const lines = this.waiting.length;
    this.waiting = [];
    try {
      if (this.size > 0 && this.size + bytes.length > this.limits.sizeMax) this.rotate();
      this.size += fs.writeSync(this.descriptor, bytes);
      this.reportDropped();
    } catch {
      this.dropped += lines;
    }
  }

  close(): void {
    this.flush();
    fs.closeSync(this.descriptor);
  }

  private rotate(): void {
    for (let age = this.limits.kept; age >= 1; age--) {
      const from = age === 1 ? this.path : `${this.path}.${age - 1}`;
      if (fs.existsSync(from)) fs.renameSync(from, `${this.path}.${age}`);
    }
    const next = fs.openSync(this.path, "a", 0o600);
    fs.closeSync(this.descriptor);
    this.descriptor = next;
    this.size = 0;
  }

  private reportDropped(): void {
    if (this.dropped === 0) return;
    const line = { role: "supervisor", time: new Date().toISOString(), level: "warn" };
    const message = `${this.dropped} log lines could not be written`;
    this.dropped = 0;
    this.size += fs.writeSync(this.descriptor, `${JSON.stringify({ ...line, message })}\n`);
  }
}
