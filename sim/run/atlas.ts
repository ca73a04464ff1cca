// Which damage a correct system can survive, and so may be done: what was acknowledged lies on two disks, so of every
// chunk one replica at a time may be spoiled, until the disks show that it has been made whole again.
import { parseChunk } from "../check/chunk-file.ts";
import { CHUNK_DIRECTORY, type Cluster, chunkFile, chunkNames, type Member } from "./cluster.ts";

export class Atlas {
  /** By file name: the member whose replica was spoiled and has not been seen whole since. */
  private readonly spoiled = new Map<string, Member>();

  constructor(private readonly cluster: Cluster) {}

  /** Chunk files of `member` that may be spoiled now. */
  candidates(member: Member): string[] {
    this.forgetHealed();
    return chunkNames(member).filter((name) => name.endsWith(".chunk") && this.mayLose(member, name));
  }

  /** Whether all of a member's disk may be lost now. */
  mayWipe(member: Member): boolean {
    this.forgetHealed();
    return chunkNames(member).every((name) => !name.endsWith(".chunk") || this.mayLose(member, name));
  }

  spoil(member: Member, name: string): void {
    this.spoiled.set(name, member);
  }

  private mayLose(member: Member, name: string): boolean {
    const victim = this.spoiled.get(name);
    return victim === undefined || victim === member;
  }

  /** A chunk that has gone, or has three whole replicas again, has nothing spoiled. */
  private forgetHealed(): void {
    for (const [name, victim] of this.spoiled) {
      const holders = this.cluster.chunkservers.filter((member) => chunkNames(member).includes(name));
      const whole = holders.filter((member) => isWhole(member, name));
      if (holders.length === 0 || whole.length >= 3 || whole.includes(victim)) this.spoiled.delete(name);
    }
  }
}

/** Sealed, every byte of it good, and the chunk that its name says. */
function isWhole(member: Member, name: string): boolean {
  const bytes = chunkFile(member, name);
  if (bytes && member.node.disk.hasBrokenSectors(`${CHUNK_DIRECTORY}/${name}`)) return false;
  const chunk = bytes && parseChunk(bytes);
  if (chunk === undefined || chunk.problem !== undefined || chunk.seal === undefined) return false;
  return name === `${chunk.handle.toString(16).padStart(16, "0")}.chunk`;
}
