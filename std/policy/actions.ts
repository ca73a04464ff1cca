// The Action and NotAction elements. Actions are compared in any case.
import { memberOf, PolicyError } from "./errors.ts";
import { Glob, type GlobToken } from "./glob.ts";
import { tokensOf } from "./pattern.ts";

const ACTION = /^([A-Za-z0-9-]{1,64}):([A-Za-z0-9*?]{1,128})$/;

export class Actions {
  /** Lower-case services that are named; null: any service. */
  readonly services: ReadonlySet<string> | null;
  private readonly exact: ReadonlySet<string>;
  private readonly globs: readonly Glob[];

  /** Throws {@link PolicyError} for what is neither `*` nor `service:Name`, the name with or without wildcards. */
  constructor(texts: readonly string[], place: string) {
    const services = new Set<string>();
    const exact = new Set<string>();
    const globs: Glob[] = [];
    let everything = false;
    for (const [index, text] of texts.entries()) {
      if (text === "*") {
        everything = true;
        continue;
      }
      const parts = ACTION.exec(text);
      if (parts === null) {
        throw new PolicyError(
          "invalid_value",
          memberOf(place, index),
          'is no action; write "*" or "service:Name" as "s3:GetObject" or "s3:Get*"',
        );
      }
      const lower = text.toLowerCase();
      services.add(parts[1]!.toLowerCase());
      if (/[*?]/.test(parts[2]!)) globs.push(globOf(lower, memberOf(place, index)));
      else exact.add(lower);
    }
    this.services = everything ? null : services;
    this.exact = exact;
    this.globs = globs;
  }

  /** `action` in lower case. */
  has(action: string): boolean {
    if (this.services === null || this.exact.has(action)) return true;
    for (const glob of this.globs) if (glob.matches(action)) return true;
    return false;
  }
}

function globOf(text: string, place: string): Glob {
  return new Glob(tokensOf(text, { wildcards: true, variables: false }, place) as GlobToken[]);
}
