// Who may do what: one pure decision over all policies that are about a request, for one account.
//
// E1  A Deny that applies, in any policy, decides.
// E2  Without a Deny, somebody must allow it: a policy of the principal's own, or the resource's.
// E3  The boundary and every session policy that is there must allow it as well. They allow nothing by themselves.
// E4  A resource's policy that names the user allows by itself, past the boundary; but not in a session, which is less
//     than the user.
// E5  A stranger has only what the resource's policy allows to everybody.
// E6  A resource's policy that names the account leaves the decision to the account's own policies: it allows nobody.
import type { PolicyRequest } from "./context.ts";
import type { Policy, StatementReference } from "./policy.ts";

export type Layer = "identity" | "resource" | "boundary" | "session";

export interface PolicySet {
  /** Of the user, their groups and roles. What any of them allows is allowed. */
  identity: readonly Policy<"identity">[];
  resource?: Policy<"resource">;
  boundary?: Policy<"identity">;
  /** Limits of the token or session, its maker's limits too, and so on up: every one of them must allow. */
  session?: readonly Policy<"identity">[];
}

export interface Decision {
  readonly allowed: boolean;
  readonly reason: "explicit-deny" | "implicit-deny" | "allowed";
  /** Where the decision fell: the layer of `by`, or the one that lacks an Allow. */
  readonly layer: Layer;
  /** The statement that decided; absent for an implicit denial. */
  readonly by?: StatementReference;
}

const NOTHING: readonly Policy<"identity">[] = [];
const LACKS: Readonly<Record<Layer, Decision>> = {
  identity: lacks("identity"),
  resource: lacks("resource"),
  boundary: lacks("boundary"),
  session: lacks("session"),
};

function lacks(layer: Layer): Decision {
  return Object.freeze({ allowed: false, reason: "implicit-deny", layer });
}

/** Never throws, and keeps nothing. */
export function evaluate(request: PolicyRequest, policies: PolicySet): Decision {
  const { identity, resource, boundary, session = NOTHING } = policies;
  const denied =
    denial(request, identity, "identity") ??
    (resource && denialIn(request, resource, "resource")) ??
    (boundary && denialIn(request, boundary, "boundary")) ??
    denial(request, session, "session");
  if (denied !== undefined) return denied;

  let granted: Decision | undefined;
  if (resource !== undefined) {
    const grant = resourceGrant(request, resource);
    if (grant?.direct && session.length === 0) return grant.decision;
    granted = grant?.decision;
  }
  // Nobody has policies of their own but users.
  if (granted === undefined && request.principal?.kind === "user") granted = allowance(request, identity);
  if (granted === undefined) return request.principal?.kind === "user" ? LACKS.identity : LACKS.resource;
  if (boundary !== undefined && !allows(request, boundary)) return LACKS.boundary;
  for (const policy of session) if (!allows(request, policy)) return LACKS.session;
  return granted;
}

function denial(request: PolicyRequest, policies: readonly Policy[], layer: Layer): Decision | undefined {
  for (const policy of policies) {
    const denied = denialIn(request, policy, layer);
    if (denied !== undefined) return denied;
  }
  return undefined;
}

function denialIn(request: PolicyRequest, policy: Policy, layer: Layer): Decision | undefined {
  for (const { statement, reference } of policy.statementsFor(request.service).denies) {
    if (statement.applies(request) !== "none") {
      return { allowed: false, reason: "explicit-deny", layer, by: reference };
    }
  }
  return undefined;
}

function allowance(request: PolicyRequest, policies: readonly Policy<"identity">[]): Decision | undefined {
  for (const policy of policies) {
    for (const { statement, reference } of policy.statementsFor(request.service).allows) {
      if (statement.applies(request) !== "none") {
        return { allowed: true, reason: "allowed", layer: "identity", by: reference };
      }
    }
  }
  return undefined;
}

function allows(request: PolicyRequest, policy: Policy<"identity">): boolean {
  return policy
    .statementsFor(request.service)
    .allows.some(({ statement }) => statement.applies(request) !== "none");
}

/** The strongest grant of the resource's policy: one that names the principal counts for more than one to many. */
function resourceGrant(
  request: PolicyRequest,
  policy: Policy<"resource">,
): { decision: Decision; direct: boolean } | undefined {
  let broad: StatementReference | undefined;
  for (const { statement, reference } of policy.statementsFor(request.service).allows) {
    const naming = statement.applies(request);
    if (naming === "direct") return grantOf(reference, true);
    if (naming === "broad") broad ??= reference;
  }
  return broad && grantOf(broad, false);
}

function grantOf(by: StatementReference, direct: boolean): { decision: Decision; direct: boolean } {
  return { decision: { allowed: true, reason: "allowed", layer: "resource", by }, direct };
}
