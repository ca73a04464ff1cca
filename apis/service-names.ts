/** The JSON APIs of a process, each at `/api/<name>/` and at a host of its own. */
export const SERVICE_NAMES = ["audit", "auth", "events", "storage"] as const;
