import { z } from "zod";

/** The path that the ticket is for, as it will stand in the request line: no query, nothing to resolve. */
export const ticketBody = z.strictObject({
  path: z
    .string()
    .max(512)
    .regex(/^(?:\/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)+\/?$/, "must be an absolute path without a query"),
});
