// The storage as `skerry status` tells it.
import type { AdminStatus } from "../../edge/admin-socket.ts";
import { bytes, counted, duration } from "../quantities.ts";
import { table } from "../table.ts";
import { describeOrphans } from "./chunkserver.ts";

type Storage = NonNullable<AdminStatus["storage"]>;
type Server = Storage["servers"][number];

/** A table of the chunkservers, then a line for each thing that is worth one. `now`: ms since the epoch. */
export function describeStorage(storage: Storage, now: number): string {
  const { servers, buckets, objects, chunks, leases } = storage;
  const rows = servers.map((server) => [
    server.id,
    stateOf(server),
    server.address === "" ? "-" : server.address,
    String(server.chunks),
    bytes(server.freeBytes),
    bytes(server.totalBytes),
    scrubOf(server.scrub, now),
  ]);
  const counts = `${counted(buckets, "bucket")}, ${counted(objects, "object")}; ${counted(chunks.open, "open chunk")} (${leases} leased), ${chunks.sealed} sealed, ${chunks.deleting} being deleted`;
  const lines = [counts, replicationOf(storage), repairOf(storage), garbageOf(storage.garbage)];
  if (storage.orphans.count > 0) lines.push(describeOrphans(storage.orphans));
  return `
${table(["CHUNKSERVER", "STATE", "ADDRESS", "CHUNKS", "FREE", "DISK", "SCRUB"], rows)}
${lines.filter((line) => line !== "").join("\n")}
`;
}

function stateOf({ alive, state, diskFailed }: Server): string {
  const words = [alive ? "alive" : "lost"];
  if (state !== "active") words.push(state);
  if (diskFailed) words.push("disk failed");
  return words.join(", ");
}

function scrubOf(scrub: Server["scrub"], now: number): string {
  if (!scrub || (scrub.startedAt === 0 && scrub.finishedAt === 0)) return "-";
  const found = scrub.damagedFound > 0 ? `, ${scrub.damagedFound} damaged` : "";
  if (scrub.startedAt <= scrub.finishedAt) return `${duration(now - scrub.finishedAt)} ago${found}`;
  const share = scrub.totalBytes === 0 ? 0 : Math.min(1, scrub.doneBytes / scrub.totalBytes);
  return `${Math.floor(share * 100)} %${found}`;
}

function replicationOf({ chunks }: Storage): string {
  const [none = 0, one = 0, two = 0] = chunks.byReplicas;
  if (chunks.underReplicated === 0) return "all chunks have their replicas";
  const parts = [
    ...(none > 0 ? [`${none} with none`] : []),
    ...(one > 0 ? [`${one} with 1`] : []),
    ...(two > 0 ? [`${two} with 2`] : []),
  ];
  return `${chunks.underReplicated} chunks lack replicas (${parts.join(", ")}): ${bytes(chunks.underReplicatedBytes)} to copy`;
}

function repairOf({ repair, chunks }: Storage): string {
  if (repair.holding && chunks.underReplicated > 0) {
    return "repair to other chunkservers waits: too many are away, or were a moment ago";
  }
  if (repair.queued + repair.active === 0) return "";
  const rate = repair.bytesPerSecond;
  const eta = rate > 0 ? `, ready in about ${duration((chunks.underReplicatedBytes / rate) * 1000)}` : "";
  return `repair: ${repair.queued} chunks queued, ${repair.active} copies under way, ${bytes(rate)}/s${eta}`;
}

function garbageOf({ storedBytes, deadBytes, compacting, spaceIsShort }: Storage["garbage"]): string {
  if (storedBytes === 0) return "";
  const share = Math.round((deadBytes / storedBytes) * 100);
  const work = compacting > 0 ? `, ${compacting} chunks being compacted` : "";
  const short = spaceIsShort ? "; the disks are nearly full" : "";
  return `garbage: ${bytes(deadBytes)} of ${bytes(storedBytes)} (${share} %)${work}${short}`;
}
