// A role for the supervisor's tests: `bun fake-role.ts NAME BEHAVIOUR JOURNAL`. It notes what happens to it in the
// file JOURNAL, a line each, so that a test sees the order among several.
import { appendFileSync } from "node:fs";

const [name, behaviour, journal] = process.argv.slice(2);

function note(event: string): void {
  appendFileSync(journal!, `${name} ${event}\n`);
}

function beReady(): void {
  note("ready");
  process.stdout.write(`${JSON.stringify({ event: "ready", address: `${name}:${process.pid}` })}\n`);
}

note("start");
process.on("SIGTERM", () => {
  if (behaviour === "stubborn") return;
  note("stop");
  process.exit(0);
});
process.stdin.on("end", () => {
  note("orphaned");
  process.exit(0);
});
process.stdin.resume();

switch (behaviour) {
  case "silent":
    process.stderr.write(
      `${JSON.stringify({ level: "info", message: "waiting for a disk", disk: "sda" })}\n`,
    );
    break;
  case "refused":
    process.stdout.write(
      `${JSON.stringify({ event: "refused", message: "it was removed: take it in again" })}\n`,
    );
    process.on("SIGUSR2", beReady);
    break;
  case "broken":
    process.stderr.write("cannot read the configuration\n");
    process.exit(3);
    break;
  default:
    beReady();
}
