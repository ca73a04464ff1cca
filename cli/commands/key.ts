import type { AccessKeySummary, NewAccessKey } from "../../apis/auth/access-keys.ts";
import { flag, optionalText, parseConfig, text } from "../../std/config.ts";
import { AdminClient } from "../admin.ts";
import { EXIT } from "../command.ts";
import { DATA_SETTING } from "../data-setting.ts";
import { moment } from "../quantities.ts";
import { exactWords, type Subcommand, withSubcommands } from "../subcommands.ts";
import { table } from "../table.ts";

const COMMON = { data: DATA_SETTING, json: flag("answer with JSON") };
const CREATE = { ...COMMON, user: text("whose key it is", "USER", "admin") };
const IMPORT = {
  ...COMMON,
  user: text("whose key it is", "USER"),
  accessKey: text("the access key id", "KEY"),
  secretKey: text("the secret; better as SKERRY_SECRET_KEY", "SECRET"),
};
const LIST = { ...COMMON, user: optionalText("only this user's keys", "USER") };

const create: Subcommand = {
  summary: "make an S3 access key; its secret is told only now",
  settings: CREATE,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(CREATE, argv, environment);
    exactWords(words);
    const admin = await AdminClient.of(config.data);
    const key = await admin.call<NewAccessKey>("POST", "/keys", { user: config.user });
    if (config.json) output.out(`${JSON.stringify(key)}\n`);
    else output.out(`access key  ${key.accessKeyId}\nsecret key  ${key.secretAccessKey}\n`);
    return EXIT.done;
  },
};

const importKey: Subcommand = {
  summary: "take over an S3 key pair that was made elsewhere",
  settings: IMPORT,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(IMPORT, argv, environment);
    exactWords(words);
    const admin = await AdminClient.of(config.data);
    const key = await admin.call<AccessKeySummary>("POST", "/keys/import", {
      user: config.user,
      accessKeyId: config.accessKey,
      secretAccessKey: config.secretKey,
    });
    output.out(config.json ? `${JSON.stringify(key)}\n` : `imported ${key.accessKeyId} for ${key.user}\n`);
    return EXIT.done;
  },
};

const list: Subcommand = {
  summary: "list the S3 access keys, without their secrets",
  settings: LIST,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(LIST, argv, environment);
    exactWords(words);
    const admin = await AdminClient.of(config.data);
    const query = config.user === undefined ? "" : `?user=${encodeURIComponent(config.user)}`;
    const { keys } = await admin.call<{ keys: AccessKeySummary[] }>("GET", `/keys${query}`);
    if (config.json) output.out(`${JSON.stringify({ keys })}\n`);
    else {
      const rows = keys.map((key) => [
        key.accessKeyId,
        key.user,
        key.disabled ? "disabled" : "active",
        moment(key.createdAt),
      ]);
      output.out(table(["ACCESS KEY", "USER", "STATE", "CREATED"], rows));
    }
    return EXIT.done;
  },
};

const revoke: Subcommand = {
  words: "KEY",
  summary: "remove an S3 access key for good; it is refused from now on",
  settings: COMMON,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(COMMON, argv, environment);
    const [accessKeyId] = exactWords(words, "the access key id");
    const admin = await AdminClient.of(config.data);
    await admin.call("DELETE", `/keys/${encodeURIComponent(accessKeyId!)}`);
    output.out(config.json ? "{}\n" : `revoked ${accessKeyId}\n`);
    return EXIT.done;
  },
};

export const key = withSubcommands("key", "S3 access keys of a running cloud.", {
  create,
  import: importKey,
  list,
  revoke,
});
