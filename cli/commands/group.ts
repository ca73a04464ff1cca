import type { Group } from "../../apis/auth/access/groups.ts";
import { flag, parseConfig } from "../../std/config.ts";
import { AdminClient } from "../admin.ts";
import { EXIT } from "../command.ts";
import { DATA_SETTING } from "../data-setting.ts";
import { exactWords, type Subcommand, withSubcommands } from "../subcommands.ts";
import { table } from "../table.ts";

const COMMON = { data: DATA_SETTING, json: flag("answer with JSON") };

const list: Subcommand = {
  summary: "list the groups with their members and roles",
  settings: COMMON,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(COMMON, argv, environment);
    exactWords(words);
    const admin = await AdminClient.of(config.data);
    const { groups } = await admin.call<{ groups: Group[] }>("GET", "/groups");
    if (config.json) output.out(`${JSON.stringify({ groups })}\n`);
    else {
      const rows = groups.map(({ name, members, roles }) => [name, members.join(", "), roles.join(", ")]);
      output.out(table(["NAME", "MEMBERS", "ROLES"], rows));
    }
    return EXIT.done;
  },
};

interface Change {
  words: string;
  summary: string;
  /** What the words are, for who leaves one out. */
  names: string[];
  request(words: string[]): [method: string, path: string, body?: unknown];
  told(words: string[]): string;
}

function change({ words: shape, summary, names, request, told }: Change): Subcommand {
  return {
    words: shape,
    summary,
    settings: COMMON,
    async run(argv, environment, output) {
      const { config, words } = parseConfig(COMMON, argv, environment);
      exactWords(words, ...names);
      const admin = await AdminClient.of(config.data);
      const answer = await admin.call(...request(words.map(encodeURIComponent)));
      output.out(config.json ? `${JSON.stringify(answer ?? {})}\n` : `${told(words)}\n`);
      return EXIT.done;
    },
  };
}

export const group = withSubcommands("group", "Groups of users, who get their roles together.", {
  add: change({
    words: "NAME",
    summary: "make a group",
    names: ["the group's name"],
    request: ([name]) => ["POST", "/groups", { name: decodeURIComponent(name!) }],
    told: ([name]) => `added ${name}`,
  }),
  list,
  rename: change({
    words: "NAME NEW-NAME",
    summary: "give a group another name",
    names: ["the group's name", "the new name"],
    request: ([name, to]) => ["PATCH", `/groups/${name}`, { name: decodeURIComponent(to!) }],
    told: ([name, to]) => `renamed ${name} to ${to}`,
  }),
  remove: change({
    words: "NAME",
    summary: "remove a group; its members lose what it gave them",
    names: ["the group's name"],
    request: ([name]) => ["DELETE", `/groups/${name}`],
    told: ([name]) => `removed ${name}`,
  }),
  "add-member": change({
    words: "GROUP USER",
    summary: "put a user into a group",
    names: ["the group's name", "the user's name"],
    request: ([name, user]) => ["PUT", `/groups/${name}/members/${user}`],
    told: ([name, user]) => `added ${user} to ${name}`,
  }),
  "remove-member": change({
    words: "GROUP USER",
    summary: "take a user out of a group",
    names: ["the group's name", "the user's name"],
    request: ([name, user]) => ["DELETE", `/groups/${name}/members/${user}`],
    told: ([name, user]) => `removed ${user} from ${name}`,
  }),
});
