import {
  type ApiToken,
  type NewApiToken,
  TOKEN_DAYS,
  TOKEN_DAYS_MAX,
} from "../../apis/auth/tokens/tokens.ts";
import { flag, optionalText, parseConfig, text, texts, UsageError, whole } from "../../std/config.ts";
import { AdminClient } from "../admin.ts";
import { EXIT } from "../command.ts";
import { DATA_SETTING } from "../data-setting.ts";
import { moment } from "../quantities.ts";
import { exactWords, type Subcommand, withSubcommands } from "../subcommands.ts";
import { table } from "../table.ts";

const COMMON = { data: DATA_SETTING, json: flag("answer with JSON") };
const OWNER = {
  user: optionalText("whose it is", "USER"),
  serviceAccount: optionalText("the service account whose it is", "NAME"),
};
const CREATE = {
  ...COMMON,
  ...OWNER,
  name: text("what to call it in lists", "TEXT"),
  scope: texts("what it may do, as storage.alice.bucket.photos=read+create; may be repeated", "SCOPE=VERBS"),
  days: whole("days until it is over", "DAYS", 1, TOKEN_DAYS_MAX, TOKEN_DAYS),
};
const LIST = { ...COMMON, ...OWNER };

const create: Subcommand = {
  summary: "make an API token; it is told only now",
  settings: CREATE,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(CREATE, argv, environment);
    exactWords(words);
    const { user, serviceAccount, name, days } = config;
    if ((user === undefined) === (serviceAccount === undefined)) {
      throw new UsageError("say whose token it is, with --user or --service-account");
    }
    const scopes = scopesOf(config.scope);
    const admin = await AdminClient.of(config.data);
    const made = await admin.call<NewApiToken>("POST", "/tokens", {
      user,
      serviceAccount,
      name,
      days,
      scopes,
    });
    output.out(config.json ? `${JSON.stringify(made)}\n` : `id     ${made.id}\ntoken  ${made.token}\n`);
    return EXIT.done;
  },
};

function scopesOf(given: readonly string[]): Record<string, string[]> {
  if (given.length === 0) throw new UsageError("a token needs at least one --scope");
  return Object.fromEntries(
    given.map((text) => {
      const [scope = "", verbs] = text.split("=");
      if (verbs === undefined)
        throw new UsageError(`--scope ${text}: write SCOPE=VERBS, as storage.alice.*=read`);
      return [scope, verbs.split("+")];
    }),
  );
}

const list: Subcommand = {
  summary: "list the API tokens",
  settings: LIST,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(LIST, argv, environment);
    exactWords(words);
    const query = new URLSearchParams();
    if (config.user !== undefined) query.set("user", config.user);
    if (config.serviceAccount !== undefined) query.set("serviceAccount", config.serviceAccount);
    const admin = await AdminClient.of(config.data);
    const { tokens } = await admin.call<{ tokens: ApiToken[] }>("GET", `/tokens?${query}`);
    if (config.json) output.out(`${JSON.stringify({ tokens })}\n`);
    else {
      const rows = tokens.map((token) => [
        token.id,
        token.user ?? token.serviceAccount ?? "",
        token.name,
        moment(token.expiresAt),
        token.lastUsedAt === null ? "never" : moment(token.lastUsedAt),
      ]);
      output.out(table(["ID", "OF", "NAME", "EXPIRES", "LAST USED"], rows));
    }
    return EXIT.done;
  },
};

const revoke: Subcommand = {
  words: "ID",
  summary: "end an API token and all that was made through it",
  settings: COMMON,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(COMMON, argv, environment);
    const [id] = exactWords(words, "the token's id");
    const admin = await AdminClient.of(config.data);
    await admin.call("DELETE", `/tokens/${encodeURIComponent(id!)}`);
    output.out(config.json ? "{}\n" : `revoked ${id}\n`);
    return EXIT.done;
  },
};

export const token = withSubcommands("token", "API tokens, which programs send as Authorization: Bearer.", {
  create,
  list,
  revoke,
});
