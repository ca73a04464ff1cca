import { readFile } from "node:fs/promises";
import type { Role } from "../../apis/auth/access/roles.ts";
import { flag, optionalText, parseConfig, text, UsageError } from "../../std/config.ts";
import { AdminClient } from "../admin.ts";
import { CommandError, EXIT } from "../command.ts";
import { DATA_SETTING } from "../data-setting.ts";
import { exactWords, type Subcommand, withSubcommands } from "../subcommands.ts";
import { table } from "../table.ts";

const COMMON = { data: DATA_SETTING, json: flag("answer with JSON") };
const DOCUMENT = { ...COMMON, file: text("the role's policy, as JSON", "PATH") };
const IDENTITY = {
  ...COMMON,
  user: optionalText("to or from this user", "NAME"),
  serviceAccount: optionalText("to or from this service account", "NAME"),
};
const TARGET = { ...IDENTITY, group: optionalText("to or from this group", "NAME") };

const list: Subcommand = {
  summary: "list the roles",
  settings: COMMON,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(COMMON, argv, environment);
    exactWords(words);
    const admin = await AdminClient.of(config.data);
    const { roles } = await admin.call<{ roles: Role[] }>("GET", "/roles");
    if (config.json) output.out(`${JSON.stringify({ roles })}\n`);
    else
      output.out(
        table(
          ["NAME", "KIND"],
          roles.map(({ name, builtIn }) => [name, builtIn ? "built in" : "custom"]),
        ),
      );
    return EXIT.done;
  },
};

const show: Subcommand = {
  words: "ROLE",
  summary: "show a role's policy",
  settings: COMMON,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(COMMON, argv, environment);
    const [name] = exactWords(words, "the role's name");
    const admin = await AdminClient.of(config.data);
    const role = await admin.call<Role>("GET", `/roles/${encodeURIComponent(name!)}`);
    output.out(config.json ? `${JSON.stringify(role)}\n` : `${JSON.stringify(role.document, null, 2)}\n`);
    return EXIT.done;
  },
};

/** `create` and `update`: the text is sent as it is, so that the cloud finds members that are there twice. */
function write(
  summary: string,
  request: (name: string) => [string, string, object],
  told: string,
): Subcommand {
  return {
    words: "ROLE",
    summary,
    settings: DOCUMENT,
    async run(argv, environment, output) {
      const { config, words } = parseConfig(DOCUMENT, argv, environment);
      const [name] = exactWords(words, "the role's name");
      const document = await readFile(config.file, "utf8").catch((cause: Error) => {
        throw new CommandError(`cannot read ${config.file}: ${cause.message}`, { cause });
      });
      const admin = await AdminClient.of(config.data);
      const [method, path, body] = request(name!);
      const role = await admin.call<Role>(method, path, { ...body, document });
      output.out(config.json ? `${JSON.stringify(role)}\n` : `${told} ${role.name}\n`);
      return EXIT.done;
    },
  };
}

const remove: Subcommand = {
  words: "ROLE",
  summary: "remove a role that nobody has any more",
  settings: COMMON,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(COMMON, argv, environment);
    const [name] = exactWords(words, "the role's name");
    const admin = await AdminClient.of(config.data);
    await admin.call("DELETE", `/roles/${encodeURIComponent(name!)}`);
    output.out(config.json ? "{}\n" : `removed ${name}\n`);
    return EXIT.done;
  },
};

function attachment(method: "PUT" | "DELETE", summary: string, told: string): Subcommand {
  return {
    words: "ROLE",
    summary,
    settings: TARGET,
    async run(argv, environment, output) {
      const { config, words } = parseConfig(TARGET, argv, environment);
      const [role] = exactWords(words, "the role's name");
      const path = pathOf({
        users: config.user,
        groups: config.group,
        "service-accounts": config.serviceAccount,
      });
      const admin = await AdminClient.of(config.data);
      await admin.call(method, `${path}/roles/${encodeURIComponent(role!)}`);
      output.out(config.json ? "{}\n" : `${told} ${role}\n`);
      return EXIT.done;
    },
  };
}

const setBoundary: Subcommand = {
  words: "ROLE",
  summary: "let a user or service account do at most what this role says",
  settings: IDENTITY,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(IDENTITY, argv, environment);
    const [role] = exactWords(words, "the role's name");
    const path = pathOf({ users: config.user, "service-accounts": config.serviceAccount });
    const admin = await AdminClient.of(config.data);
    await admin.call("PUT", `${path}/boundary`, { role });
    output.out(config.json ? "{}\n" : `the boundary is ${role}\n`);
    return EXIT.done;
  },
};

const clearBoundary: Subcommand = {
  summary: "take the boundary of a user or service account away",
  settings: IDENTITY,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(IDENTITY, argv, environment);
    exactWords(words);
    const path = pathOf({ users: config.user, "service-accounts": config.serviceAccount });
    const admin = await AdminClient.of(config.data);
    await admin.call("DELETE", `${path}/boundary`);
    output.out(config.json ? "{}\n" : "there is no boundary any more\n");
    return EXIT.done;
  },
};

/** The one that is named. */
function pathOf(targets: Record<string, string | undefined>): string {
  const named = Object.entries(targets).filter(([, name]) => name !== undefined);
  if (named.length === 1) return `/${named[0]![0]}/${encodeURIComponent(named[0]![1]!)}`;
  const flags = Object.keys(targets).map((kind) => `--${kind.slice(0, -1)}`);
  throw new UsageError(`say for whom, with one of ${flags.join(", ")}`);
}

export const accessRole = withSubcommands("role", "Roles: policies with a name, and who has them.", {
  list,
  show,
  create: write("make a role", (name) => ["POST", "/roles", { name }], "made"),
  update: write(
    "give a role another policy; it counts at once",
    (name) => ["PUT", `/roles/${encodeURIComponent(name)}`, {}],
    "updated",
  ),
  remove,
  attach: attachment("PUT", "give somebody a role", "attached"),
  detach: attachment("DELETE", "take a role from somebody", "detached"),
  "set-boundary": setBoundary,
  "clear-boundary": clearBoundary,
});
