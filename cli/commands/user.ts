import type { User } from "../../apis/auth/users.ts";
import { flag, optionalText, parseConfig, UsageError } from "../../std/config.ts";
import { systemRandom } from "../../std/random.ts";
import { type AdminAnswer, AdminClient, errorMessage } from "../admin.ts";
import { CommandError, EXIT } from "../command.ts";
import { DATA_SETTING } from "../data-setting.ts";
import { moment } from "../quantities.ts";
import { exactWords, type Subcommand, withSubcommands } from "../subcommands.ts";
import { table } from "../table.ts";
import { randomPassword } from "../up/first-start.ts";

const COMMON = { data: DATA_SETTING, json: flag("answer with JSON") };

const REMOVE = {
  ...COMMON,
  bucketsTo: optionalText("who gets the user's buckets", "USER"),
  deleteBuckets: flag("delete the user's buckets with all their objects"),
};

const ADD = {
  ...COMMON,
  admin: flag("may do everything; others only what belongs to them"),
  password: optionalText("a random one is told when it is not given; better as SKERRY_PASSWORD", "TEXT"),
};

const add: Subcommand = {
  words: "NAME",
  summary: "add a user",
  settings: ADD,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(ADD, argv, environment);
    const [name] = exactWords(words, "the user's name");
    const password = config.password ?? randomPassword(systemRandom);
    const admin = await AdminClient.of(config.data);
    const user = await admin.call<User>("POST", "/users", { name, password, admin: config.admin });
    const told = config.password === undefined ? { password } : {};
    if (config.json) output.out(`${JSON.stringify({ ...user, ...told })}\n`);
    else
      output.out(`added ${user.name}${config.password === undefined ? ` with password ${password}` : ""}\n`);
    return EXIT.done;
  },
};

const list: Subcommand = {
  summary: "list the users",
  settings: COMMON,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(COMMON, argv, environment);
    exactWords(words);
    const admin = await AdminClient.of(config.data);
    const { users } = await admin.call<{ users: User[] }>("GET", "/users");
    if (config.json) output.out(`${JSON.stringify({ users })}\n`);
    else {
      const rows = users.map((user) => [user.name, roleOf(user), moment(user.createdAt)]);
      output.out(table(["NAME", "ROLE", "CREATED"], rows));
    }
    return EXIT.done;
  },
};

const remove: Subcommand = {
  words: "NAME",
  summary: "remove a user with all keys and sessions; one who owns buckets only with a word about them",
  settings: REMOVE,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(REMOVE, argv, environment);
    const [name] = exactWords(words, "the user's name");
    const { bucketsTo, deleteBuckets } = config;
    if (bucketsTo !== undefined && deleteBuckets) {
      throw new UsageError("give --buckets-to or --delete-buckets, not both");
    }
    const query = new URLSearchParams();
    if (bucketsTo !== undefined) {
      query.set("buckets", "keep");
      query.set("newOwner", bucketsTo);
    }
    if (deleteBuckets) query.set("buckets", "delete");
    const admin = await AdminClient.of(config.data);
    const path = `/users/${encodeURIComponent(name!)}?${query}`;
    const { status, body } = await admin.ask("DELETE", path);
    if (status >= 300) throw refusal(name!, { status, body });
    output.out(config.json ? "{}\n" : `removed ${name}\n`);
    return EXIT.done;
  },
};

/** In the words of this command, where the API's would not help. */
function refusal(name: string, answer: AdminAnswer): CommandError {
  const { error } = (answer.body ?? {}) as { error?: { code?: string } };
  if (error?.code !== "user_owns_buckets") return new CommandError(errorMessage(answer));
  return new CommandError(
    `${name} owns buckets: give --buckets-to USER, who gets them, or --delete-buckets, with all their objects`,
  );
}

function roleOf({ admin, disabled }: User): string {
  return `${admin ? "admin" : "user"}${disabled ? " (disabled)" : ""}`;
}

export const user = withSubcommands("user", "Users of a running cloud.", { add, list, remove });
