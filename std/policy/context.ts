// What a request is about, as policies see it.
import { assert } from "../assert.ts";

/** A number under a date operator is seconds since the epoch; binary values are base64. */
export type ContextValue = string | number | boolean | readonly string[];

/** By condition key in lower case. */
export type Context = ReadonlyMap<string, ContextValue>;

export interface UserPrincipal {
  kind: "user";
  account: string;
  id: string;
  name: string;
  /** Names of the roles that the user has. */
  roles?: readonly string[];
  /** For aws:PrincipalTag/... */
  tags?: ReadonlyMap<string, string>;
}

/** A part of the system that acts by itself, e.g. log delivery. */
export interface ServicePrincipal {
  kind: "service";
  name: string;
}

export type Principal = UserPrincipal | ServicePrincipal;

export interface RequestFields {
  /** null: nobody proved who they are. */
  principal: Principal | null;
  /** `service:Name`, in any case. */
  action: string;
  /** The ARN, taken literally: `*` in it is a character. */
  resource: string;
  /**
   * Further condition keys, in any case; undefined where one has no value here. Only what the server itself knows
   * belongs here, never a client's word under a name of the client's choice.
   */
  values?: Readonly<Record<string, ContextValue | undefined>>;
}

/** Says who asks. They come from the principal alone; nothing else may set them. */
const OF_PRINCIPAL: ReadonlySet<string> = new Set([
  "aws:principalaccount",
  "aws:principalarn",
  "aws:principaltype",
  "aws:userid",
  "aws:username",
  "skerry:userid",
]);
const PRINCIPAL_TAG = "aws:principaltag/";

/** One question to {@link evaluate}. Immutable. */
export class PolicyRequest {
  readonly principal: Principal | null;
  /** In lower case. */
  readonly action: string;
  readonly service: string;
  readonly resource: string;
  readonly context: Context;

  constructor({ principal, action, resource, values = {} }: RequestFields) {
    this.principal = principal;
    this.action = action.toLowerCase();
    this.service = this.action.slice(0, Math.max(0, this.action.indexOf(":")));
    this.resource = resource;
    this.context = contextOf(principal, values);
  }
}

export function userArn({ account, name }: UserPrincipal): string {
  return `arn:aws:iam::${account}:user/${name}`;
}

function contextOf(principal: Principal | null, values: NonNullable<RequestFields["values"]>): Context {
  const context = new Map<string, ContextValue>();
  for (const name in values) {
    const value = values[name];
    if (value === undefined) continue;
    const key = name.toLowerCase();
    assert(!OF_PRINCIPAL.has(key) && !key.startsWith(PRINCIPAL_TAG), `${name} comes from the principal`);
    context.set(key, value);
  }
  if (principal === null) {
    context.set("aws:principaltype", "Anonymous");
  } else if (principal.kind === "service") {
    context.set("aws:principaltype", "Service");
  } else {
    context.set("aws:principaltype", "User");
    context.set("aws:principalaccount", principal.account);
    context.set("aws:principalarn", userArn(principal));
    context.set("aws:username", principal.name);
    context.set("aws:userid", principal.id);
    context.set("skerry:userid", principal.id);
    for (const [tag, value] of principal.tags ?? []) context.set(PRINCIPAL_TAG + tag.toLowerCase(), value);
  }
  return context;
}
