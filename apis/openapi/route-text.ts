// What the OpenAPI document of an API says of its routes beyond what they tell themselves.
import type { z } from "zod";

/** The content type of an answer or a body that is no JSON. */
export interface Content {
  content: `${string}/${string}`;
}

export interface RouteText {
  summary: string;
  /** What is answered where all goes well, by status: JSON, something else, or nothing. */
  answers: Readonly<Record<number, z.ZodType | Content | null>>;
  /** A body that no validator of the route tells of. */
  body?: z.ZodType | Content;
}

/** By `METHOD /path`, the path as the router has it. */
export type RouteTexts = Readonly<Record<string, RouteText>>;
