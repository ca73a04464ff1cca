export interface Listener {
  /** The port that it listens on, also where the kernel chose it. */
  port: number;
  /** Takes no new connection, lets requests under way end for `graceMs`, then drops the rest. */
  stop(graceMs: number): Promise<void>;
}

/** Resolves when `ended` does, or after `ms` at the latest; tells which. */
export async function within(ended: Promise<unknown>, ms: number): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), ms);
  const inTime = await Promise.race([ended.then(() => true), late.promise]);
  clearTimeout(timer);
  return inTime;
}
