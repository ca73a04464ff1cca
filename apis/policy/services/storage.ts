// What storage offers beside S3.
import { on, type ServiceTable } from "./table.ts";

export const STORAGE = {
  scope: "storage",
  kinds: { cluster: {} },
  actions: {
    GetStatus: on("cluster", "read"),
  },
} as const satisfies ServiceTable;
