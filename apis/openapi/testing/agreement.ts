// Holds what is said of an API's routes against its handlers, while it is compiled.
import type { ExtractSchema } from "hono/types";
import type { StatusCode } from "hono/utils/http-status";
import type { z } from "zod";
import type { RouteText, RouteTexts } from "../route-text.ts";

type Endpoints<App> = {
  [Path in keyof ExtractSchema<App> & string]: {
    [Method in keyof ExtractSchema<App>[Path] & string as Method extends `$${infer Name}`
      ? `${Uppercase<Name>} ${Path}`
      : never]: ExtractSchema<App>[Path][Method];
  };
};
type Merged<Union> = (Union extends unknown ? (each: Union) => void : never) extends (all: infer All) => void
  ? All
  : never;
/** Every route of an app but that of the document, with what its handlers return. */
type Routes<App> = Omit<Merged<Endpoints<App>[keyof Endpoints<App>]>, "GET /openapi.json">;

type Sent<Endpoint> = Endpoint extends { output: infer Output; outputFormat: "json" } ? Output : never;
type Said<Text extends RouteText> = z.input<Extract<Text["answers"][keyof Text["answers"]], z.ZodType>>;
/** Where no status is given Hono has the type of all; it is 200. A Response says nothing. */
type SentStatus<Endpoint, Unknown> = Endpoint extends { status: infer Status; outputFormat: infer Format }
  ? StatusCode extends Status
    ? Unknown
    : 418 extends Status
      ? Format extends "json"
        ? 200
        : Unknown
      : Status
  : Unknown;

/** What is optional counts too: else what one side lacks would agree with it. Six levels deep, since JSON has no end. */
type Whole<T, Depth extends 0[] = []> = Depth["length"] extends 6
  ? unknown
  : T extends object
    ? { [Key in keyof T]-?: Whole<T[Key], [...Depth, 0]> }
    : T;
type Differs<A, B> = { handlerSends: A; textSays: B };
type Agrees<A, B> = [A] extends [B] ? ([B] extends [A] ? unknown : Differs<A, B>) : Differs<A, B>;
type Checked<App, Texts extends RouteTexts> = {
  [Route in keyof Routes<App>]: Route extends keyof Texts
    ? Agrees<Sent<Routes<App>[Route]>, Said<Texts[Route]>> &
        Agrees<Whole<Sent<Routes<App>[Route]>>, Whole<Said<Texts[Route]>>> &
        Agrees<SentStatus<Routes<App>[Route], keyof Texts[Route]["answers"]>, keyof Texts[Route]["answers"]>
    : RouteText;
};

/** Compiles for the texts of all routes of `App` that say what its handlers do: the same JSON, the same status. */
export function agreeing<App>() {
  return <const Texts extends RouteTexts>(_texts: Texts & Checked<App, Texts>): void => {};
}
