// How long does access that was taken away still work, at every API and at S3? `skerry bench revocation --help`.
import { tmpdir } from "node:os";
import { describeSettings, flag, text, whole } from "../std/config.ts";
import { startCloud } from "./revocation/cloud.ts";
import { measureRevocation } from "./revocation/measure.ts";
import { reportLines } from "./revocation/report.ts";
import { begin, circumstancesLine } from "./run/begin.ts";

/** Of each person: half of what one may have. */
const SESSIONS_EACH = 10;

/** All must end before the access tokens do: after 5 minutes. */
const REPEATS_MAX = 50;

const SETTINGS = {
  people: whole(`users with ${SESSIONS_EACH} sessions each, which are in use meanwhile`, "N", 1, 1_000, 100),
  repeats: whole(
    "how often each kind of revocation is called at each of the two processes",
    "N",
    1,
    REPEATS_MAX,
    10,
  ),
  scratch: text("directory for the throw-away cloud", "DIR", tmpdir()),
  json: flag("one JSON document with all raw values instead of the table"),
  smoke: flag("few people, each revocation once, no cut: does it run at all?"),
};

const FULL = { sessionsEach: SESSIONS_EACH, cutOff: true };
const SMOKE = { people: 2, sessionsEach: 2, repeats: 1, cutOff: false };

const HELP = `Usage: skerry bench revocation [--flags]

Starts a throw-away cloud whose APIs run in two processes, the gateway and the role apis, takes access away at one of them,
and shows the credential at every API and at S3 of both, over and over, until all refuse. Then it breaks the second
process's connections to the auth database, in two ways, and does the same.

Sessions are begun by the session service, not by a password each.

${describeSettings(SETTINGS)}`;

/** Runs the load test and prints its table or JSON. Throws `UsageError` for wrong flags, `PassError`, `StartError`. */
export async function main(
  argv: string[],
  environment: Record<string, string | undefined> = process.env,
): Promise<void> {
  const begun = begin(SETTINGS, HELP, argv, environment);
  if (!begun) return;
  const { config, about } = begun;
  const say = (what: string): void =>
    void (config.smoke || process.stderr.write(`bench revocation: ${what}\n`));
  const cloud = await startCloud(config.scratch);
  try {
    const shape = config.smoke ? SMOKE : { ...FULL, people: config.people, repeats: config.repeats };
    const figures = await measureRevocation(cloud, shape, say);
    if (config.json) {
      process.stdout.write(`${JSON.stringify({ benchmark: "revocation", ...about, ...figures }, null, 2)}\n`);
      return;
    }
    const head = `${circumstancesLine(about)}, 2 processes with APIs, ${figures.sessions} sessions in use`;
    process.stdout.write(`${[head, "", ...reportLines(figures)].join("\n")}\n`);
  } finally {
    await cloud.close();
  }
}
