import { BusError } from "./errors.ts";
import { checkSubject } from "./subjects.ts";

/** As UTF-8 JSON. Below the 1 MiB that a NATS server takes by default, envelope and escapes included. */
export const DATA_BYTES_MAX = 256 * 1024;

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export interface BusEvent {
  /** A UUID of version 7. */
  id: string;
  subject: string;
  /** Ms since the Unix epoch, when it was added. */
  time: number;
  data: Json;
}

export interface NewEvent {
  /** See {@link subject}. */
  subject: string;
  data: Json;
}

/** An event with its data as text, as it is stored. */
export interface StoredEvent extends Omit<BusEvent, "data"> {
  json: string;
}

/** Checks subject and data and gives the event its id. Throws `bad_subject` and `bad_data`. */
export function storedEvent({ subject, data }: NewEvent, now: number): StoredEvent {
  checkSubject(subject);
  return { id: Bun.randomUUIDv7("hex", now), subject, time: now, json: jsonOf(subject, data) };
}

function jsonOf(subject: string, data: Json): string {
  // Not a string for what JSON has no word for: undefined, a function.
  const json: string | undefined = JSON.stringify(data);
  if (json === undefined) throw new BusError("bad_data", `The data of ${subject} is not JSON`);
  const bytes = Buffer.byteLength(json);
  if (bytes <= DATA_BYTES_MAX) return json;
  throw new BusError(
    "bad_data",
    `The data of ${subject} takes ${bytes} bytes, ${DATA_BYTES_MAX} is the most: put it elsewhere and send where`,
  );
}

export function parsedEvent({ id, subject, time, json }: StoredEvent): BusEvent {
  return { id, subject, time, data: JSON.parse(json) as Json };
}
