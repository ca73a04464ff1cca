import { z } from "zod";

/** A point in time. */
export const time = z.number().int().describe("ms since the Unix epoch");
/** Whose form a standard or another part of Skerry lays down. */
export const elsewhere = (what: string) => z.any().describe(what);
