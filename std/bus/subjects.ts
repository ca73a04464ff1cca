// Subjects are tokens joined by dots. The grammar is narrower than NATS's, so that a subject is one in both carriers, in a
// regular expression, and in a log line.
import { BusError } from "./errors.ts";

export const SUBJECT_LENGTH_MAX = 255;
/** Patterns of one consumer or tail. */
export const PATTERNS_MAX = 32;
export const CONSUMER_NAME_LENGTH_MAX = 64;

const TOKEN = "(?:[A-Za-z0-9_-]|%[0-9A-F]{2})+";
const SUBJECT = new RegExp(`^${TOKEN}(?:\\.${TOKEN})*$`);
const PATTERN = new RegExp(`^(?:(?:${TOKEN}|\\*)\\.)*(?:${TOKEN}|\\*|>)$`);
const CONSUMER_NAME = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;
const UNRESERVED = /^[A-Za-z0-9_-]$/;

/**
 * The subject of `parts`, each made one token whatever it contains: an id or a name cannot add tokens or wildcards. Throws
 * `bad_subject` for an empty part, and where the whole is longer than 255 characters.
 */
export function subject(...parts: string[]): string {
  return checkSubject(parts.map(tokenOf).join("."));
}

/** The parts that {@link subject} was given. */
export function subjectParts(ofSubject: string): string[] {
  return ofSubject.split(".").map(decodeURIComponent);
}

function tokenOf(part: string): string {
  if (part === "" || !part.isWellFormed()) {
    throw new BusError("bad_subject", `A part of a subject is not text: ${JSON.stringify(part)}`);
  }
  let token = "";
  for (const byte of Buffer.from(part, "utf8")) {
    const character = String.fromCharCode(byte);
    token += UNRESERVED.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return token;
}

/** Returns `text` where it is a subject without wildcards; throws `bad_subject` else. */
export function checkSubject(text: string): string {
  if (text.length <= SUBJECT_LENGTH_MAX && SUBJECT.test(text)) return text;
  throw new BusError(
    "bad_subject",
    `${shown(text)} is not a subject: tokens of A-Z a-z 0-9 _ - joined by dots, ${SUBJECT_LENGTH_MAX} characters at most; ` +
      `make it with subject(...), which escapes the rest`,
  );
}

/** Throws `bad_subject` unless each of `patterns` is a subject, possibly with `*` for a token or a last `>` for the rest. */
export function checkPatterns(patterns: readonly string[]): void {
  if (patterns.length === 0 || patterns.length > PATTERNS_MAX) {
    throw new BusError("bad_subject", `Give 1 to ${PATTERNS_MAX} subjects, not ${patterns.length}`);
  }
  for (const pattern of patterns) {
    if (pattern.length <= SUBJECT_LENGTH_MAX && PATTERN.test(pattern)) continue;
    throw new BusError(
      "bad_subject",
      `${shown(pattern)} is not a subject pattern: "*" stands for one token, a last ">" for one or more`,
    );
  }
}

export function checkConsumerName(name: string): void {
  if (name.length <= CONSUMER_NAME_LENGTH_MAX && CONSUMER_NAME.test(name)) return;
  throw new BusError(
    "bad_subject",
    `${shown(name)} is not a consumer's name: a-z, 0-9 and single dashes, ${CONSUMER_NAME_LENGTH_MAX} characters at most`,
  );
}

/** A regular expression, the same in JavaScript and PostgreSQL, of the subjects that one of the checked `patterns` matches. */
export function patternsSource(patterns: readonly string[]): string {
  const sources = patterns.map((pattern) =>
    pattern
      .split(".")
      .map((token) => (token === "*" ? "[^.]+" : token === ">" ? ".+" : token))
      .join("\\."),
  );
  return `^(?:${sources.join("|")})$`;
}

/** One pattern that matches whatever one of `patterns` does, and as little else as their common beginning allows. */
export function commonPattern(patterns: readonly string[]): string {
  const [first = ">", ...others] = patterns;
  if (others.length === 0) return first;
  const common: string[] = [];
  for (const [index, token] of first.split(".").entries()) {
    // Each pattern must go on after it: ">" stands for at least one token.
    const shared = patterns.every((pattern) => {
      const tokens = pattern.split(".");
      return tokens[index] === token && tokens.length > index + 1;
    });
    if (!shared) break;
    common.push(token);
  }
  return [...common, ">"].join(".");
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, SUBJECT_LENGTH_MAX));
}
