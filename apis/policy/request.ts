// A question to the policy engine, with what the catalogue knows of the action.
import { type ContextValue, PolicyRequest, type Principal } from "../../std/policy/context.ts";
import { type Action, factsOf, type KindOf } from "./actions.ts";
import type { ResourceName } from "./resource-names.ts";

export interface RequestFields<A extends Action> {
  /** null: nobody proved who they are. */
  principal: Principal | null;
  action: A;
  resource: ResourceName<KindOf<A>>;
  /** User id of whose it is: of a list, whose things; of what is to be made, who will have it. */
  owner?: string;
  /** Further condition keys, e.g. aws:SourceIp, aws:SecureTransport, aws:CurrentTime, s3:prefix. */
  values?: Readonly<Record<string, ContextValue | undefined>>;
}

/** Also sets skerry:AccessLevel, skerry:ActionVerb, skerry:ResourceKind and skerry:ResourceOwner. */
export function requestFor<A extends Action>(fields: RequestFields<A>): PolicyRequest {
  const { principal, action, resource, owner, values } = fields;
  const { level, verb, kind } = factsOf(action);
  return new PolicyRequest({
    principal,
    action,
    resource,
    values: {
      ...values,
      "skerry:AccessLevel": level,
      "skerry:ActionVerb": verb,
      "skerry:ResourceKind": kind,
      "skerry:ResourceOwner": owner,
    },
  });
}
