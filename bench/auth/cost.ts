export interface Cost {
  ms: number;
  /** Of this process, with all its threads: what other load on the machine hardly changes. */
  cpuMicros: number;
}

export const NOTHING: Cost = { ms: 0, cpuMicros: 0 };

/** What `work` takes. */
export async function costOf(work: () => Promise<void>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { ms: performance.now() - startMs, cpuMicros: user + system };
}

export function sumOf(a: Cost, b: Cost): Cost {
  return { ms: a.ms + b.ms, cpuMicros: a.cpuMicros + b.cpuMicros };
}
