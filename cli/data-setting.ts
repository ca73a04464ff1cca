import { text } from "../std/config.ts";

/** `--data`, the same for all commands: the current directory decides, as with other tools that keep state. */
export const DATA_SETTING = text("data directory", "DIR", "./data");
