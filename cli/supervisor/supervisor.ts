import type { Timer } from "../../std/clock.ts";
import type { Random } from "../../std/random.ts";
import { CommandError } from "../command.ts";
import { Backoff, type BackoffLimits, RESTART_BACKOFF } from "./backoff.ts";
import { ManagedRole, type RoleHost, type RoleSpec, type RoleStatus } from "./managed-role.ts";

export interface SupervisorOptions extends RoleHost {
  random: Random;
  backoff?: BackoffLimits;
}

/** How long roles that can be done without are waited for once enough others are ready, ms. */
const OTHERS_WAIT_MS = 10_000;

/** All roles of one machine, in the groups in which they were started; they stop in the opposite order. */
export class Supervisor {
  private readonly groups: ManagedRole[][] = [];
  private readonly hurry = Promise.withResolvers<void>();
  private stopped: Promise<void> | undefined;

  constructor(private readonly options: SupervisorOptions) {}

  get statuses(): RoleStatus[] {
    return this.groups.flat().map((role) => role.status);
  }

  get stopping(): boolean {
    return this.stopped !== undefined;
  }

  /**
   * Starts roles that do not need each other at once, and waits until all are ready; with `enough`, for the rest of
   * them only {@link OTHERS_WAIT_MS} once so many are. The rest is tried again for as long as this runs, and `onMissing`
   * is told why. Rejects with the first failure when fewer can be ready; the caller then stops the others.
   */
  async startGroup(
    specs: readonly RoleSpec[],
    enough = specs.length,
    onMissing: (why: string) => void = () => {},
  ): Promise<void> {
    if (this.stopping) throw new CommandError("stopped before it was ready");
    const roles = specs.map((spec) => this.manage(spec));
    this.groups.push(roles);
    const failures = new Map<ManagedRole, Error>();
    const dispensable = roles.length - enough;
    const missing = new Set(roles);
    const settled = Promise.withResolvers<void>();
    let others: Timer | undefined;
    const look = (): void => {
      if (failures.size > dispensable) settled.reject(failures.values().next().value);
      else if (failures.size === missing.size) settled.resolve();
      else if (missing.size <= dispensable)
        others ??= this.options.clock.after(OTHERS_WAIT_MS, settled.resolve);
    };
    for (const role of roles) {
      role.start().then(
        () => {
          missing.delete(role);
          look();
        },
        (error: Error) => {
          failures.set(role, error);
          look();
          if (failures.size <= dispensable) role.keepTrying();
        },
      );
    }
    await settled.promise.finally(() => others?.cancel());
    for (const role of missing) {
      onMissing(failures.get(role)?.message ?? `${role.spec.name} is not ready yet`);
    }
  }

  /** Ends the present process of a role, which is then started again with what is known by now. */
  renew(name: string): void {
    this.groups
      .flat()
      .find((role) => role.spec.name === name)
      ?.renew();
  }

  /** Stops the groups, the last first. Resolves when no process is left; never rejects. */
  stop(): Promise<void> {
    this.stopped ??= this.stopGroups();
    return this.stopped;
  }

  /** Kills what a running {@link stop} still waits for. */
  stopNow(): void {
    this.hurry.resolve();
  }

  private async stopGroups(): Promise<void> {
    for (const group of this.groups.toReversed()) {
      await Promise.all(group.map((role) => role.stop(this.hurry.promise)));
    }
  }

  private manage(spec: RoleSpec): ManagedRole {
    const { random, backoff = RESTART_BACKOFF } = this.options;
    return new ManagedRole(spec, this.options, new Backoff(random, backoff));
  }
}
