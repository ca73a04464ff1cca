// How many checks of tokens, keys and policies, and how many sign-ins, does one process do in a second?
// `skerry bench auth --help`.
import { tmpdir } from "node:os";
import { type Config, describeSettings, flag, text, whole } from "../std/config.ts";
import { checkAnswers } from "./auth/answers.ts";
import { measureChecks } from "./auth/checks.ts";
import { startAuthCloud } from "./auth/cloud.ts";
import { CONDITIONAL_ROLE } from "./auth/decisions.ts";
import { measureFirstSights } from "./auth/first-sights.ts";
import { measureLogins } from "./auth/logins.ts";
import { populate } from "./auth/population.ts";
import { type Report, ratiosOf, reportLines } from "./auth/report.ts";
import { begin, circumstancesLine } from "./run/begin.ts";

/** More would be refused: so many hashes may wait. */
const CONCURRENCY_MAX = 64;

/** All cases, twelve with the bare ones, must end before the access tokens do: after 5 minutes. */
const SECONDS_MAX = 15;

const SETTINGS = {
  seconds: whole("length of each case, s", "N", 1, SECONDS_MAX, 3),
  concurrency: whole("sign-ins, and tokens that are first seen, at once", "N", 1, CONCURRENCY_MAX, 16),
  scratch: text("directory for the throw-away database", "DIR", tmpdir()),
  json: flag("one JSON document with all raw values instead of the table"),
  smoke: flag("few people and a moment of each case: does it run at all?"),
};

/** A thousand sessions; fewer of each person than would end the oldest when the person signs in. */
const SHAPE = { people: 100, sessions: 10, credentials: 10 };
const SMOKE = { seconds: 0.1, shape: { people: 3, sessions: 2, credentials: 2 } };

const HELP = `Usage: skerry bench auth [--flags]

Measures the auth service with 1,000 sessions, API tokens and S3 keys on a throw-away PostgreSQL. Checks are called in its own
process, one after another, as APIs and S3 call them. A token is first seen by a service that was just started, with
--concurrency at once, in turns with as many bare Ed25519 signatures. Sign-ins go through the API's route, with the audit
log behind it, in turns with the bare argon2id of the same parameters, one on each core. The ratios tell what the checks and
the sign-ins cost beside that.

${describeSettings(SETTINGS)}`;

/** Runs the load test and prints its table or JSON. Throws `UsageError` for wrong flags, `WrongAnswerError`. */
export async function main(
  argv: string[],
  environment: Record<string, string | undefined> = process.env,
): Promise<void> {
  const begun = begin(SETTINGS, HELP, argv, environment);
  if (!begun) return;
  const { config, about } = begun;
  const report = await measureAuth(config);
  const { concurrency } = config;
  if (config.json) {
    const all = { benchmark: "auth", ...about, concurrency, ratios: ratiosOf(report), ...report };
    process.stdout.write(`${JSON.stringify(all, null, 2)}\n`);
    return;
  }
  const head = `${circumstancesLine(about)}, ${concurrency} at once`;
  process.stdout.write(`${[head, "", ...reportLines(report)].join("\n")}\n`);
}

async function measureAuth(config: Config<typeof SETTINGS>): Promise<Report> {
  const shape = { concurrency: config.concurrency, seconds: config.smoke ? SMOKE.seconds : config.seconds };
  const cloud = await startAuthCloud(config.scratch);
  try {
    const { auth } = cloud;
    const people = await populate(auth, config.smoke ? SMOKE.shape : SHAPE);
    const conditional = people.at(-1)!;
    await auth.roles.create(CONDITIONAL_ROLE.name, CONDITIONAL_ROLE.document);
    await auth.attachments.attach({ kind: "user", name: conditional.name }, CONDITIONAL_ROLE.name);
    await checkAnswers(cloud, people[0]!, conditional);
    return {
      firstSights: await measureFirstSights(cloud, people, shape),
      checks: await measureChecks(cloud, people, conditional, shape.seconds),
      logins: await measureLogins(cloud, people, shape),
    };
  } finally {
    await cloud.close();
  }
}
