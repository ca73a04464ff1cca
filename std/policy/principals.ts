// The Principal and NotPrincipal elements of a resource's policy: whom a statement is about.
import type { Principal } from "./context.ts";
import { memberOf, PolicyError } from "./errors.ts";
import type { Json, JsonObject } from "./json.ts";

/**
 * How a statement names a principal. `direct`: by itself, so that an Allow stands without any other policy. `broad`: as
 * one of many. `account`: as one of the account, which leaves it to the account's own policies what to allow.
 */
export type Naming = "none" | "account" | "broad" | "direct";

const USER_ARN = /^arn:aws:iam::([A-Za-z0-9-]*):user\/([^*?$]+)$/;
const ROLE_ARN = /^arn:aws:iam::([A-Za-z0-9-]*):role\/([^*?$]+)$/;
const ROOT_ARN = /^arn:aws:iam::([A-Za-z0-9-]+):root$/;
const ACCOUNT = /^\d{12}$/;
const USER_ID = /^[A-Za-z0-9_-]{1,128}$/;
const SERVICE = /^[a-z0-9][a-z0-9.-]{0,127}$/;

const FORMS =
  '"*", a user id, "arn:aws:iam::<account>:user/<name>", "arn:aws:iam::<account>:role/<name>" or "arn:aws:iam::<account>:root"';

export class Principals {
  private everybody = false;
  private readonly accounts = new Set<string>();
  private readonly userIds = new Set<string>();
  /** As account:name. */
  private readonly users = new Set<string>();
  private readonly roles = new Set<string>();
  private readonly services = new Set<string>();
  /** How many are named. */
  count = 0;

  private constructor() {}

  /** Throws {@link PolicyError}. */
  static read(element: Json, place: string): Principals {
    const principals = new Principals();
    if (element === "*") {
      principals.everybody = true;
      principals.count = 1;
      return principals;
    }
    if (!(element instanceof Map)) {
      throw new PolicyError("wrong_type", place, 'must be "*" or an object, as {"AWS": "*"}');
    }
    if (element.size === 0) throw new PolicyError("missing_field", place, "must name somebody");
    for (const [type, names] of element as JsonObject) principals.add(type, names, memberOf(place, type));
    return principals;
  }

  private add(type: string, names: Json, place: string): void {
    if (type !== "AWS" && type !== "Service") {
      throw new PolicyError("unknown_field", place, "is no kind of principal here; use AWS or Service");
    }
    const list = Array.isArray(names) ? (names as readonly Json[]) : [names as Json];
    if (list.length === 0) throw new PolicyError("missing_field", place, "must name somebody");
    for (const [index, name] of list.entries()) {
      const where = memberOf(place, index);
      if (typeof name !== "string") throw new PolicyError("wrong_type", where, "must be a text");
      if (type === "AWS") this.addIdentity(name, where);
      else this.addService(name, where);
      this.count++;
    }
  }

  private addIdentity(name: string, place: string): void {
    const user = USER_ARN.exec(name);
    const role = ROLE_ARN.exec(name);
    const root = ROOT_ARN.exec(name);
    if (name === "*") this.everybody = true;
    else if (user !== null) this.users.add(`${user[1]}:${user[2]}`);
    else if (role !== null) this.roles.add(`${role[1]}:${role[2]}`);
    else if (root !== null) this.accounts.add(root[1]!);
    else if (ACCOUNT.test(name)) this.accounts.add(name);
    else if (USER_ID.test(name)) this.userIds.add(name);
    else {
      const wildcards = /[*?]/.test(name)
        ? "; for a pattern, add a Condition with ArnLike on aws:PrincipalArn"
        : "";
      throw new PolicyError("invalid_value", place, `is no principal; write ${FORMS}${wildcards}`);
    }
  }

  private addService(name: string, place: string): void {
    if (!SERVICE.test(name)) throw new PolicyError("invalid_value", place, "is no name of a service");
    this.services.add(name);
  }

  naming(principal: Principal | null): Naming {
    if (principal !== null && this.isDirect(principal)) return "direct";
    if (this.everybody) return "broad";
    if (principal?.kind !== "user") return "none";
    const { account, roles } = principal;
    if (this.roles.size > 0 && roles?.some((role) => this.roles.has(`${account}:${role}`))) return "broad";
    return this.accounts.has(account) ? "account" : "none";
  }

  private isDirect(principal: Principal): boolean {
    if (principal.kind === "service") return this.services.has(principal.name);
    if (this.userIds.has(principal.id)) return true;
    return this.users.size > 0 && this.users.has(`${principal.account}:${principal.name}`);
  }
}
