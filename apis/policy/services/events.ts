import { on, type ServiceTable } from "./table.ts";

export const EVENTS = {
  scope: "events",
  kinds: { event: {}, "dead-letter": {} },
  actions: {
    TailEvents: on("event", "read"),
    ReadDeadLetters: on("dead-letter", "read"),
    ReplayDeadLetters: on("dead-letter", "write"),
  },
} as const satisfies ServiceTable;
