import type { NewAccessKey } from "../../apis/auth/access-keys.ts";
import type { ServiceAccount } from "../../apis/auth/service-accounts/service-accounts.ts";
import { flag, optionalText, parseConfig } from "../../std/config.ts";
import { AdminClient } from "../admin.ts";
import { EXIT } from "../command.ts";
import { DATA_SETTING } from "../data-setting.ts";
import { exactWords, type Subcommand, withSubcommands } from "../subcommands.ts";
import { table } from "../table.ts";

const COMMON = { data: DATA_SETTING, json: flag("answer with JSON") };
const CREATE = { ...COMMON, owner: optionalText("the user whose it is; the cloud's when not given", "USER") };
const NAME = "the service account's name";

const create: Subcommand = {
  words: "NAME",
  summary: "make a service account, which may do nothing until it has a role",
  settings: CREATE,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(CREATE, argv, environment);
    const [name] = exactWords(words, NAME);
    const admin = await AdminClient.of(config.data);
    const body = { name, owner: config.owner ?? null };
    const made = await admin.call<ServiceAccount>("POST", "/service-accounts", body);
    output.out(config.json ? `${JSON.stringify(made)}\n` : `made ${made.name}\n`);
    return EXIT.done;
  },
};

const list: Subcommand = {
  summary: "list the service accounts",
  settings: COMMON,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(COMMON, argv, environment);
    exactWords(words);
    const admin = await AdminClient.of(config.data);
    const answer = await admin.call<{ serviceAccounts: ServiceAccount[] }>("GET", "/service-accounts");
    if (config.json) output.out(`${JSON.stringify(answer)}\n`);
    else {
      const rows = answer.serviceAccounts.map(({ name, owner, roles, boundary, disabled }) => [
        name,
        owner ?? "the cloud",
        roles.join(", "),
        boundary ?? "",
        disabled ? "disabled" : "active",
      ]);
      output.out(table(["NAME", "OWNER", "ROLES", "BOUNDARY", "STATE"], rows));
    }
    return EXIT.done;
  },
};

function setDisabled(disabled: boolean, summary: string): Subcommand {
  return {
    words: "NAME",
    summary,
    settings: COMMON,
    async run(argv, environment, output) {
      const { config, words } = parseConfig(COMMON, argv, environment);
      const [name] = exactWords(words, NAME);
      const admin = await AdminClient.of(config.data);
      const path = `/service-accounts/${encodeURIComponent(name!)}`;
      const account = await admin.call<ServiceAccount>("PATCH", path, { disabled });
      output.out(
        config.json ? `${JSON.stringify(account)}\n` : `${disabled ? "disabled" : "enabled"} ${name}\n`,
      );
      return EXIT.done;
    },
  };
}

const remove: Subcommand = {
  words: "NAME",
  summary: "remove a service account with its keys and tokens",
  settings: COMMON,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(COMMON, argv, environment);
    const [name] = exactWords(words, NAME);
    const admin = await AdminClient.of(config.data);
    await admin.call("DELETE", `/service-accounts/${encodeURIComponent(name!)}`);
    output.out(config.json ? "{}\n" : `removed ${name}\n`);
    return EXIT.done;
  },
};

const createKey: Subcommand = {
  words: "NAME",
  summary: "make an S3 access key of a service account; its secret is told only now",
  settings: COMMON,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(COMMON, argv, environment);
    const [serviceAccount] = exactWords(words, NAME);
    const admin = await AdminClient.of(config.data);
    const key = await admin.call<NewAccessKey>("POST", "/keys", { serviceAccount });
    if (config.json) output.out(`${JSON.stringify(key)}\n`);
    else output.out(`access key  ${key.accessKeyId}\nsecret key  ${key.secretAccessKey}\n`);
    return EXIT.done;
  },
};

export const serviceAccount = withSubcommands("service-account", "Identities of programs.", {
  create,
  list,
  disable: setDisabled(true, "refuse a service account's keys and tokens"),
  enable: setDisabled(false, "take a service account's keys and tokens again"),
  remove,
  "create-key": createKey,
});
