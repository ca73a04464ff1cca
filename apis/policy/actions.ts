// The one catalogue of what can be allowed: a route names its action with this type, so that one which is not here does
// not compile. A new service is a new table.
import { AUTH } from "./services/auth.ts";
import { EVENTS } from "./services/events.ts";
import { S3 } from "./services/s3.ts";
import { STORAGE } from "./services/storage.ts";
import type { ActionFacts, ServiceTable } from "./services/table.ts";

export const SERVICES = { s3: S3, storage: STORAGE, auth: AUTH, events: EVENTS } as const satisfies Record<
  string,
  ServiceTable
>;

type Services = typeof SERVICES;
export type Service = keyof Services;
type Names<S extends Service> = keyof Services[S]["actions"] & string;

/** `service:Name` of every action. */
export type Action = { [S in Service]: `${S}:${Names<S>}` }[Service];

/** The kinds of resources that a service has. */
export type KindIn<S extends Service> = keyof Services[S]["kinds"] & string;
export type Kind = { [S in Service]: KindIn<S> }[Service];

/** The kind of resource that an action is on. */
export type KindOf<A extends Action> = A extends `${infer S extends Service}:${infer N}`
  ? N extends keyof Services[S]["actions"]
    ? Services[S]["actions"][N] extends ActionFacts<infer K>
      ? K
      : never
    : never
  : never;

const FACTS: ReadonlyMap<string, ActionFacts> = new Map(
  Object.entries(SERVICES).flatMap(([service, { actions }]) =>
    Object.entries<ActionFacts>(actions).map(([name, facts]) => [`${service}:${name}`, facts] as const),
  ),
);

export const ACTIONS: readonly Action[] = [...FACTS.keys()] as Action[];

export function factsOf(action: Action): ActionFacts {
  return FACTS.get(action)!;
}

export function isAction(text: string): text is Action {
  return FACTS.has(text);
}
