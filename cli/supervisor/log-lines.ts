// How the logs of the roles are shown: as they are, with the role's name, or one coloured line each for a person.

const COLOURS: Record<string, string> = { debug: "2", info: "32", warn: "33", error: "31" };
/** What every line has, and the line says in its own place. */
const OWN_FIELDS = new Set(["time", "level", "message", "role"]);
const ROLE_WIDTH = "supervisor".length;
const OWN_ROLE = /"role":"[^"\\]*"/;
/** So that one odd value does not hide the rest of the line from a reader. */
const VALUE_LENGTH_MAX = 300;

function colour(code: string, text: string): string {
  return `\x1b[${code}m${text}\x1b[0m`;
}

/** `line` of `role` as one JSON line that names the role; a line that is no JSON becomes the message of one. */
export function labelledLine(role: string, line: string): string {
  const label = `"role":${JSON.stringify(role)}`;
  // A role knows itself by its kind ("chunkd"); here there may be several. In a value the quotes would be escaped.
  if (isObject(line) && OWN_ROLE.test(line)) return `${line.trim().replace(OWN_ROLE, label)}\n`;
  if (isObject(line)) return `{${label},${line.trim().slice(1)}\n`;
  return `${JSON.stringify({ role, time: new Date().toISOString(), level: "info", message: line })}\n`;
}

/** Cheap on purpose: a busy gateway logs thousands of lines a second, and they come from std/log. */
function isObject(line: string): boolean {
  return line.startsWith('{"') && line.trimEnd().endsWith("}");
}

/** `line` of `role` for a terminal: time, role, level, message, then the other fields. */
export function terminalLine(role: string, line: string): string {
  const fields = parse(line);
  if (!fields) return `${colour("36", role.padEnd(ROLE_WIDTH))} ${plain(line)}\n`;
  const level = String(fields.level ?? "info");
  const time = String(fields.time ?? "").slice(11, 19);
  const rest = Object.entries(fields)
    .filter(([name, value]) => !OWN_FIELDS.has(name) && value !== null)
    .map(([name, value]) => `${colour("2", `${plain(name)}=`)}${plain(shown(value))}`);
  const words = [
    colour("2", plain(time)),
    colour("36", role.padEnd(ROLE_WIDTH)),
    colour(COLOURS[level] ?? "37", plain(level).padEnd(5)),
    plain(String(fields.message ?? "")),
    ...rest,
  ];
  return `${words.join(" ")}\n`;
}

function parse(line: string): Record<string, unknown> | undefined {
  if (!isObject(line)) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function shown(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > VALUE_LENGTH_MAX ? `${text.slice(0, VALUE_LENGTH_MAX)}...` : text;
}

/** Logs carry what strangers sent: none of it may steer the terminal. */
function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, "?");
}
