// What is recorded. No field ever holds a secret: credentials go by their ids, changes by the names of the fields.
import type { Action } from "../policy/actions.ts";

export interface Actor {
  kind: "user" | "service-account" | "operator" | "system" | "anonymous";
  /** User id; absent for nobody. */
  id?: string;
  name?: string;
  /** What it was proved with, by id: `session:...`, `key:...`, `token:...`. */
  credential?: string;
}

export const ANONYMOUS: Actor = { kind: "anonymous" };
/** Whoever can open the admin socket. */
export const OPERATOR: Actor = { kind: "operator", id: "operator", name: "operator" };
/** The log itself. */
export const SYSTEM: Actor = { kind: "system", id: "audit", name: "audit log" };

/** What takes no permission: who signs in, and what the log tells about itself. */
export type OwnEvent =
  | "auth:SignIn" // by whatever way
  | "auth:SignUp"
  | "s3:Authenticate" // a request whose sender was not proved
  | "audit:RefusalsFolded" // too many different ones at once to keep apart
  | "audit:EntriesLost" // recorded while the database was away and the queue full
  | "audit:EntriesRemoved" // by retention
  | "audit:Restored"; // from a backup: what came after it is not in the log

export const OUTCOMES = ["allowed", "refused", "failed"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Names, numbers and times about the event; never the values of fields that may be secret. */
export type Details = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** An event, as whoever sees it tells it. */
export interface AuditEvent {
  actor: Actor;
  action: Action | OwnEvent;
  /** ARN of what it is about. */
  resource: string;
  outcome: Outcome;
  /** Why it was refused or failed: a stable code. */
  code?: string;
  /** The client's address. */
  source?: string;
  userAgent?: string;
  requestId?: string;
  details?: Details;
}

/** The texts of an entry, in the order of FORMAT.md; clean and within their limits. */
export interface EntryTexts {
  actorKind: string;
  actorId: string;
  actorName: string;
  credential: string;
  action: string;
  resource: string;
  outcome: string;
  code: string;
  source: string;
  userAgent: string;
  requestId: string;
  details: string;
}

/** What goes into the chain, before it has a place there. */
export interface Entry extends EntryTexts {
  /** ms since the epoch. */
  time: number;
  /** How many events it stands for. */
  count: number;
}

const TEXT_BYTES_MAX = 128;
const USER_AGENT_BYTES_MAX = 256;
/** A key of S3 has 1,024 bytes, a bucket's ARN 76; an index of PostgreSQL takes 2,700. */
const RESOURCE_BYTES_MAX = 1_200;
const DETAILS_BYTES_MAX = 2_048;

/** Control characters, and those that turn the direction of writing on a terminal or page. */
const UNPRINTABLE = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu;

export function entryOf(event: AuditEvent, time: number, count = 1): Entry {
  const { actor } = event;
  return {
    time,
    count,
    actorKind: actor.kind,
    actorId: cleanText(actor.id),
    actorName: cleanText(actor.name),
    credential: cleanText(actor.credential),
    action: event.action,
    resource: cleanText(event.resource, RESOURCE_BYTES_MAX),
    outcome: event.outcome,
    code: cleanText(event.code),
    source: cleanText(event.source),
    userAgent: cleanText(event.userAgent, USER_AGENT_BYTES_MAX),
    requestId: cleanText(event.requestId),
    details: detailsText(event.details),
  };
}

/** JSON escapes control characters by itself; lone surrogates too. */
function detailsText(details: Details = {}): string {
  const text = JSON.stringify(details).replace(UNPRINTABLE, escaped);
  return Buffer.byteLength(text) <= DETAILS_BYTES_MAX ? text : '{"cut":true}';
}

/** As FORMAT.md says; PostgreSQL takes neither NUL nor halves of characters. */
function cleanText(text = "", bytesMax = TEXT_BYTES_MAX): string {
  if (text.length <= bytesMax && /^[\x20-\x7e]*$/.test(text)) return text;
  // A character has at least one byte: what is cut here could not stay.
  const printable = text.slice(0, bytesMax).toWellFormed().replace(UNPRINTABLE, escaped);
  if (Buffer.byteLength(printable) <= bytesMax) return printable;
  const bytes = Buffer.from(printable);
  let end = bytesMax;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}

function escaped(character: string): string {
  return encodeURIComponent(character);
}
