import type { Disk } from "./disk.ts";

/**
 * The machine that a process runs on, told apart from all others and from its own earlier boots. Two processes with the same
 * id may share files and unix sockets, unless a container keeps them apart: then they do not find each other's.
 */
export async function thisHost(disk: Disk): Promise<string | undefined> {
  const bootId = await disk.readFile("/proc/sys/kernel/random/boot_id").catch(() => undefined);
  return bootId?.toString("latin1").trim() || undefined;
}
