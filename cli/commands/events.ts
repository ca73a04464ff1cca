import type { DeadLetters, Replayed } from "../../apis/events/app.ts";
import type { BusEvent } from "../../std/bus/event.ts";
import { flag, parseConfig, UsageError } from "../../std/config.ts";
import { AdminClient } from "../admin.ts";
import { EXIT } from "../command.ts";
import { DATA_SETTING } from "../data-setting.ts";
import { exactWords, type Subcommand, withSubcommands } from "../subcommands.ts";
import { table } from "../table.ts";

const COMMON = { data: DATA_SETTING, json: flag("answer with JSON") };
const TAIL = { data: DATA_SETTING, json: flag("an event a line, as JSON") };
const REPLAY = { ...COMMON, all: flag("all dead letters of the consumer") };

const HEADS = ["CONSUMER", "EVENT", "SUBJECT", "ATTEMPTS", "LAST", "ERROR"];
/** Of a table; all of it is in the JSON. */
const ERROR_LENGTH_SHOWN = 80;

const tail: Subcommand = {
  words: "[SUBJECT...]",
  summary: "show events as they come, until Ctrl-C; of subjects, where * is one token and > the rest",
  settings: TAIL,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(TAIL, argv, environment);
    const admin = await AdminClient.of(config.data);
    const query = new URLSearchParams(words.map((word) => ["subject", word]));
    for await (const line of admin.lines(`/events/tail?${query}`)) {
      output.out(config.json ? `${line}\n` : readable(JSON.parse(line) as BusEvent));
    }
    return EXIT.done;
  },
};

function readable({ time, subject, data }: BusEvent): string {
  return `${moment(time)}  ${subject}  ${JSON.stringify(data)}\n`;
}

const dead: Subcommand = {
  words: "[CONSUMER]",
  summary: "list events that a consumer could not handle, or those of all",
  settings: COMMON,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(COMMON, argv, environment);
    if (words.length > 0) exactWords(words, "the consumer's name");
    const admin = await AdminClient.of(config.data);
    const query = new URLSearchParams(words.map((word) => ["consumer", word]));
    const answer = await admin.call<DeadLetters>("GET", `/events/dead?${query}`);
    if (config.json) output.out(`${JSON.stringify(answer)}\n`);
    else if (answer.letters.length === 0) output.out("there are no dead letters\n");
    else output.out(table(HEADS, answer.letters.map(rowOf)));
    return EXIT.done;
  },
};

function rowOf({ consumer, event, attempts, lastAt, error }: DeadLetters["letters"][number]): string[] {
  const shown = error.replace(/\s+/g, " ").slice(0, ERROR_LENGTH_SHOWN);
  return [consumer, event.id, event.subject, String(attempts), moment(lastAt), shown];
}

function moment(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

const replay: Subcommand = {
  words: "CONSUMER [ID]",
  summary: "give a consumer its dead letter again, or with --all all of them",
  settings: REPLAY,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(REPLAY, argv, environment);
    const [consumer, id] = exactWords(
      words,
      "the consumer's name",
      ...(config.all ? [] : ["the event's id, or --all,"]),
    );
    const admin = await AdminClient.of(config.data);
    const path = ["/events/dead", consumer!, ...(id === undefined ? [] : [id])];
    const answer = await admin.call<Replayed>("POST", `${pathOf(path)}/replay`);
    output.out(config.json ? `${JSON.stringify(answer)}\n` : `replayed ${answer.replayed}\n`);
    return EXIT.done;
  },
};

const drop: Subcommand = {
  words: "CONSUMER ID",
  summary: "forget a dead letter: what it was about is not done",
  settings: COMMON,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(COMMON, argv, environment);
    const [consumer, id] = exactWords(words, "the consumer's name", "the event's id");
    const admin = await AdminClient.of(config.data);
    await admin.call("DELETE", pathOf(["/events/dead", consumer!, id!]));
    output.out(config.json ? "{}\n" : `dropped ${id}\n`);
    return EXIT.done;
  },
};

function pathOf([root, ...parts]: string[]): string {
  if (parts.includes(""))
    throw new UsageError("a consumer's name and an event's id have at least one character");
  return [root, ...parts.map(encodeURIComponent)].join("/");
}

export const events = withSubcommands("events", "Events between the services of a running cloud.", {
  tail,
  dead,
  replay,
  drop,
});
