import type { Explanation } from "../../apis/auth/access/explain-routes.ts";
import { flag, parseConfig, text } from "../../std/config.ts";
import { AdminClient } from "../admin.ts";
import { EXIT } from "../command.ts";
import { DATA_SETTING } from "../data-setting.ts";
import { exactWords, type Subcommand, withSubcommands } from "../subcommands.ts";

const EXPLAIN = {
  data: DATA_SETTING,
  json: flag("answer with JSON"),
  user: text("who would do it", "USER"),
};

const LACKING: Record<Explanation["layer"], string> = {
  identity: "no role of the user allows it",
  resource: "nothing on the resource allows it",
  boundary: "the user's boundary does not allow it",
  session: "the credential's scopes do not allow it",
};

const explain: Subcommand = {
  words: "ACTION RESOURCE",
  summary: "tell whether a user may do something, and what decides that",
  settings: EXPLAIN,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(EXPLAIN, argv, environment);
    const [action, resource] = exactWords(words, "the action, as s3:GetObject", "the resource, an ARN");
    const query = new URLSearchParams({ action: action!, resource: resource!, user: config.user });
    const admin = await AdminClient.of(config.data);
    const told = await admin.call<Explanation>("GET", `/explain?${query}`);
    output.out(
      config.json
        ? `${JSON.stringify(told)}\n`
        : `${told.allowed ? "allowed" : "denied"}: ${reasonOf(told)}\n`,
    );
    return EXIT.done;
  },
};

function reasonOf({ by, layer }: Explanation): string {
  if (by === undefined) return LACKING[layer];
  return `statement ${by.sid ?? by.statement} of ${by.policy}`;
}

export const policy = withSubcommands("policy", "What users may do, and why.", { explain });
