// Configuration of a role or command: flags first, then SKERRY_* variables, then defaults; parsed once, frozen.
import { parseArgs } from "node:util";
import { type Address, parseAddress } from "./net.ts";

/** Wrong words on the command line or in the environment: exit code 2, and every problem at once. */
export class UsageError extends Error {
  override name = "UsageError";
}

export interface Setting<T> {
  /** One line for --help; names the unit. */
  help: string;
  /** What stands for the value in --help, e.g. `DIR`. */
  placeholder: string;
  /** Absent: the setting is required, unless `optional`. */
  fallback?: string;
  optional?: boolean;
  /** May be given more than once; `parse` then gets the values joined by commas. */
  repeated?: boolean;
  parse(text: string): T;
}

export type Settings = Record<string, Setting<unknown>>;
export type Config<S extends Settings> = {
  readonly [K in keyof S]: S[K] extends { optional: true }
    ? ReturnType<S[K]["parse"]> | undefined
    : ReturnType<S[K]["parse"]>;
};

export function text(help: string, placeholder: string, fallback?: string): Setting<string> {
  return { help, placeholder, fallback, parse: (value) => value };
}

export function optionalText(help: string, placeholder: string): Setting<string> & { optional: true } {
  return { help, placeholder, optional: true, parse: (value) => value };
}

/** A list of texts: the flag given more than once, or one value with commas. Empty when it is not given. */
export function texts(help: string, placeholder: string): Setting<string[]> {
  return {
    help,
    placeholder,
    fallback: "",
    repeated: true,
    parse: (value) => value.split(",").filter((item) => item !== ""),
  };
}

/** Where to listen or to connect, in the forms of {@link Address}. */
export function address(help: string, fallback?: string): Setting<Address> {
  return { help, placeholder: "HOST:PORT", fallback, parse: checkedAddress };
}

export function optionalAddress(help: string): Setting<Address> & { optional: true } {
  return { help, placeholder: "HOST:PORT", optional: true, parse: checkedAddress };
}

function checkedAddress(value: string): Address {
  parseAddress(value);
  return value;
}

/** A whole number in [min, max]. */
export function whole(
  help: string,
  placeholder: string,
  min: number,
  max: number,
  fallback?: number,
): Setting<number> {
  return {
    help,
    placeholder,
    fallback: fallback?.toString(),
    parse(value) {
      const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
      if (!(number >= min && number <= max))
        throw new UsageError(`must be a whole number from ${min} to ${max}`);
      return number;
    },
  };
}

/** A TCP port; 0 lets the kernel choose. */
export function port(help: string, fallback: number): Setting<number> {
  return whole(help, "PORT", 0, 65_535, fallback);
}

/** A switch: `--name` alone means yes. */
export function flag(help: string): Setting<boolean> {
  return {
    help,
    placeholder: "",
    fallback: "false",
    parse(value) {
      if (value === "true" || value === "1") return true;
      if (value === "false" || value === "0") return false;
      throw new UsageError("must be true or false");
    },
  };
}

/** A choice that is on or off by default, and told by that word. */
export function onOff(help: string, fallback: "on" | "off"): Setting<boolean> {
  return {
    help,
    placeholder: "on|off",
    fallback,
    parse(value) {
      if (value !== "on" && value !== "off") throw new UsageError("must be on or off");
      return value === "on";
    },
  };
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The environment variable of a setting: `httpsPort` is `SKERRY_HTTPS_PORT`. */
function variable(name: string): string {
  return `SKERRY_${kebab(name).replaceAll("-", "_").toUpperCase()}`;
}

/**
 * Reads `argv` (without program and command) and `environment`.
 * Returns the values and the words that are no flags; throws {@link UsageError} naming every problem.
 */
export function parseConfig<S extends Settings>(
  settings: S,
  argv: readonly string[],
  environment: Record<string, string | undefined>,
): { config: Config<S>; words: string[] } {
  const options: Record<string, { type: "string" | "boolean"; multiple?: boolean }> = {};
  for (const [name, setting] of Object.entries(settings)) {
    const multiple = setting.repeated === true;
    options[kebab(name)] = { type: setting.placeholder === "" ? "boolean" : "string", multiple };
  }
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    // Node's advice about a leading dash, behind the first sentence, misleads where no words are expected.
    throw new UsageError((error as Error).message.split(/\n|\. To specify/)[0]!);
  }
  const problems: string[] = [];
  const config: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(settings)) {
    const given = parsed.values[kebab(name)] ?? environment[variable(name)] ?? setting.fallback;
    if (given === undefined) {
      if (!setting.optional) problems.push(`--${kebab(name)} (or ${variable(name)}) is required`);
      continue;
    }
    try {
      config[name] = setting.parse(String(given));
    } catch (error) {
      problems.push(`--${kebab(name)} ${given}: ${(error as Error).message}`);
    }
  }
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  return { config: Object.freeze(config) as Config<S>, words: parsed.positionals };
}

/** The lines of --help for `settings`. */
export function describeSettings(settings: Settings): string {
  const rows = Object.entries(settings).map(([name, setting]) => {
    const left = `--${kebab(name)} ${setting.placeholder}`.trimEnd();
    const preset = setting.fallback && setting.placeholder !== "" ? ` (default ${setting.fallback})` : "";
    return [left, `${setting.help}${preset}`] as const;
  });
  const width = Math.max(0, ...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n");
}
