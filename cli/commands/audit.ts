import type { AuditEntry, AuditPage } from "../../apis/audit/reader.ts";
import type { Verdict } from "../../apis/audit/verify.ts";
import { delay, systemClock } from "../../std/clock.ts";
import { flag, optionalText, parseConfig, type Setting, UsageError, whole } from "../../std/config.ts";
import { AdminClient } from "../admin.ts";
import { type Command, CommandError, EXIT, type Output } from "../command.ts";
import { DATA_SETTING } from "../data-setting.ts";
import { exactWords, type Subcommand, withSubcommands } from "../subcommands.ts";
import { table } from "../table.ts";

const COMMON = { data: DATA_SETTING, json: flag("answer with JSON") };

const FILTER = {
  actor: optionalText("only what this user did; a name or an id", "USER"),
  action: optionalText("only this action; a * at the end stands for any", "ACTION"),
  resource: optionalText("only what is about resources that begin so", "ARN"),
  outcome: optionalText("only these: allowed, refused or failed", "OUTCOME"),
  request: optionalText("only what belongs to this request", "ID"),
  since: optionalMoment("only from then on: 30m, 2h, 7d ago, or 2026-11-21T09:30Z"),
  until: optionalMoment("only before then, in the same forms"),
};

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 10_000;
const LIST = {
  data: DATA_SETTING,
  json: flag("answer with JSON, an entry a line"),
  ...FILTER,
  limit: whole("newest entries that are shown", "COUNT", 1, LIMIT_MAX, LIMIT_DEFAULT),
  follow: flag("go on and show new entries as they come"),
};
const VERIFY = {
  ...COMMON,
  from: optionalText(
    "begin at a position that an earlier check told, and prove that it is still there",
    "POSITION",
  ),
};
const EXPORT = { data: DATA_SETTING, ...FILTER };

/** Of one answer. */
const PAGE = 1_000;
/** How often new entries are looked for, ms. */
const LOOK_MS = 1_000;
const DAYS_MAX = 3_650;
const UNIT_MS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const HEADS = ["TIME", "WHO", "ACTION", "OUTCOME", "RESOURCE", "SOURCE", "COUNT"];

/** A moment, as ms since the epoch. */
function optionalMoment(help: string): Setting<number> & { optional: true } {
  return {
    help,
    placeholder: "WHEN",
    optional: true,
    parse(value) {
      const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(value) ?? [];
      const ms = unit ? systemClock.now() - Number(count) * UNIT_MS[unit]! : Date.parse(value);
      if (ms >= 0) return ms;
      throw new UsageError("must be as 30m, 2h, 7d or 2026-11-21T09:30Z");
    },
  };
}

const list: Subcommand = {
  summary: "show the newest entries, oldest first",
  settings: LIST,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(LIST, argv, environment);
    exactWords(words);
    const admin = await AdminClient.of(config.data);
    const query = queryOf(config);
    const entries = await newest(admin, query, config.limit);
    const show = config.json ? showJson : showTable;
    show(entries, output);
    if (config.follow)
      await follow(admin, query, entries.at(-1)?.sequence ?? 0, (more) => show(more, output));
    return EXIT.done;
  },
};

const verify: Subcommand = {
  summary: "check that no entry was altered, removed, moved or inserted",
  settings: VERIFY,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(VERIFY, argv, environment);
    exactWords(words);
    const noted = config.from === undefined ? undefined : parsePosition(config.from);
    let from = noted;
    const admin = await AdminClient.of(config.data);
    for (let checked = 0; ; ) {
      const query = from === undefined ? "" : `?sequence=${from.sequence}&hash=${from.hash}`;
      const verdict = await admin.call<Verdict>("GET", `/audit/verify${query}`);
      if (from === noted && noted && verdict.sound && verdict.after !== noted.sequence) {
        output.err(
          `entry ${noted.sequence} was removed by retention: whether it was still there is not known\n`,
        );
      }
      checked += verdict.checked;
      from = verdict.through;
      if (verdict.sound && !verdict.complete) continue;
      return tell({ ...verdict, checked }, config.json, output);
    }
  },
};

function tell(verdict: Verdict, json: boolean, output: Output) {
  const { sound, checked, through, broken } = verdict;
  if (json) output.out(`${JSON.stringify(verdict)}\n`);
  if (!sound) {
    const at = `entry ${broken!.sequence}: ${broken!.problem.replaceAll("_", " ")}`;
    throw new CommandError(`the audit log is broken at ${at}; the ${checked} entries before it are sound`);
  }
  if (json) return EXIT.done;
  output.out(`${checked} entries are sound, through ${through.sequence}:${through.hash}\n`);
  output.out("Note that position somewhere else: a later check with --from proves that it is still there.\n");
  return EXIT.done;
}

const exportAll: Subcommand = {
  summary: "write all entries as JSON, one a line, oldest first",
  settings: EXPORT,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(EXPORT, argv, environment);
    exactWords(words);
    const admin = await AdminClient.of(config.data);
    const query = queryOf(config);
    for (let after = 0, more = true; more; ) {
      const { entries, next } = await page(admin, query, { after, limit: PAGE });
      showJson(entries, output);
      more = entries.length === PAGE;
      after = next ?? after;
    }
    return EXIT.done;
  },
};

const retention: Subcommand = {
  words: "[DAYS]",
  summary: "tell for how many days entries are kept, or set it",
  settings: COMMON,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(COMMON, argv, environment);
    if (words.length > 0) exactWords(words, "the number of days");
    const wanted = words[0] === undefined ? undefined : parseDays(words[0]);
    const admin = await AdminClient.of(config.data);
    const answer = await (wanted === undefined
      ? admin.call<{ days: number }>("GET", "/audit/retention")
      : admin.call<{ days: number }>("PUT", "/audit/retention", { days: wanted }));
    output.out(config.json ? `${JSON.stringify(answer)}\n` : `entries are kept for ${answer.days} days\n`);
    return EXIT.done;
  },
};

function parseDays(word: string): number {
  const days = /^\d{1,4}$/.test(word) ? Number(word) : 0;
  if (days >= 1 && days <= DAYS_MAX) return days;
  throw new UsageError(`the number of days must be from 1 to ${DAYS_MAX}`);
}

function parsePosition(word: string): { sequence: number; hash: string } {
  const [, sequence, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(word) ?? [];
  if (hash) return { sequence: Number(sequence), hash };
  throw new UsageError(`--from ${word}: must be a position as an earlier check told it, NUMBER:HASH`);
}

type Filter = { [K in keyof typeof FILTER]?: string | number };

function queryOf({ actor, action, resource, outcome, request, since, until }: Filter): URLSearchParams {
  const given = { actor, action, resource, outcome, requestId: request, since, until };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) if (value !== undefined) query.set(name, String(value));
  return query;
}

function page(admin: AdminClient, filter: URLSearchParams, more: Record<string, number>): Promise<AuditPage> {
  const query = new URLSearchParams(filter);
  for (const [name, value] of Object.entries(more)) query.set(name, String(value));
  return admin.call<AuditPage>("GET", `/audit/entries?${query}`);
}

/** The newest `limit` entries, oldest first. */
async function newest(admin: AdminClient, query: URLSearchParams, limit: number): Promise<AuditEntry[]> {
  const found: AuditEntry[] = [];
  for (let before: number | undefined; found.length < limit; ) {
    const size = Math.min(PAGE, limit - found.length);
    const { entries, next } = await page(admin, query, {
      limit: size,
      ...(before !== undefined && { before }),
    });
    found.push(...entries);
    if (next === undefined) break;
    before = next;
  }
  return found.reverse();
}

/** Goes on until it is interrupted, or the cloud is stopped. */
async function follow(
  admin: AdminClient,
  query: URLSearchParams,
  from: number,
  show: (entries: AuditEntry[]) => void,
): Promise<never> {
  for (let after = from; ; ) {
    const { entries, next } = await page(admin, query, { after, limit: PAGE });
    show(entries);
    after = next ?? after;
    if (entries.length < PAGE) await delay(systemClock, LOOK_MS);
  }
}

function showJson(entries: AuditEntry[], output: Output): void {
  output.out(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
}

function showTable(entries: AuditEntry[], output: Output): void {
  if (entries.length > 0) output.out(table(HEADS, entries.map(rowOf)));
}

function rowOf(entry: AuditEntry): string[] {
  const { time, actor, action, outcome, code, source, count } = entry;
  const when = new Date(time).toISOString().slice(0, 19).replace("T", " ");
  const who = actor.name || actor.id || actor.kind;
  const what = code === "" ? outcome : `${outcome}: ${code}`;
  return [when, who, action, what, about(entry), source || "-", String(count)];
}

/** The resource, with the name of what was made. */
function about({ resource, details }: AuditEntry): string {
  const made = typeof details === "string" ? undefined : details.made;
  // As JSON it has no control characters.
  return typeof made === "string" ? `${resource} (${JSON.stringify(made).slice(1, -1)})` : resource || "-";
}

const SUBCOMMANDS = withSubcommands(
  "audit",
  "What was changed and refused in a running cloud. Without a word behind it: the newest entries, as `list`.",
  { list, verify, export: exportAll, retention },
);

export const audit: Command = {
  ...SUBCOMMANDS,
  run(argv, environment, output) {
    const [first] = argv;
    const bare = first === undefined || (first.startsWith("-") && first !== "--help" && first !== "-h");
    return SUBCOMMANDS.run(bare ? ["list", ...argv] : argv, environment, output);
  },
};
