import { CHUNK_SIZE_MAX } from "../../chunkd/protocol/record.ts";
import { MasterError } from "../store/errors.ts";
import type { Catalog } from "./catalog.ts";
import type { CommandOf } from "./commands.ts";

type ChunkCommand = CommandOf<"openChunks" | "sealChunk" | "deleteChunks" | "forgetChunks">;

export function applyChunkCommand(catalog: Catalog, command: ChunkCommand): null {
  switch (command.type) {
    case "openChunks":
      return openChunks(catalog, command);
    case "sealChunk":
      return sealChunk(catalog, command);
    case "deleteChunks":
      return deleteChunks(catalog, command);
    case "forgetChunks":
      return forgetChunks(catalog, command);
  }
}

function refuse(why: string): never {
  throw new MasterError("BAD_REQUEST", why);
}

function openChunks({ chunks, servers, database }: Catalog, command: CommandOf<"openChunks">): null {
  const handles = new Set(command.chunks.map(({ handle }) => handle));
  if (handles.size !== command.chunks.length) refuse("a handle is given twice");
  for (const handle of handles) {
    if (chunks.get(handle)) refuse(`the handle ${handle} is taken`);
  }
  for (const { handle, members } of command.chunks) {
    chunks.open(handle, members, command.at);
    for (const member of members) servers.add(member, command.at);
  }
  database.meta.chunksOpened += command.chunks.length;
  return null;
}

/** The length is final: never below what objects refer to (P1), so a commit that came in between refuses the seal. */
function sealChunk({ chunks }: Catalog, command: CommandOf<"sealChunk">): null {
  const { handle, version, length, at } = command;
  const row = chunks.get(handle);
  if (row?.state !== "open") return refuse(`chunk ${handle} is not open`);
  if (version <= row.version) refuse(`chunk ${handle} is sealed with a version above ${row.version}`);
  if (length < row.committed || length > CHUNK_SIZE_MAX)
    refuse(`chunk ${handle} cannot be sealed at ${length}`);
  chunks.change(row, "sealed", version, length, at);
  return null;
}

function deleteChunks({ chunks }: Catalog, { handles, at }: CommandOf<"deleteChunks">): null {
  const rows = handles.map((handle) => {
    const row = chunks.get(handle);
    if (!row || row.state === "deleting") return refuse(`chunk ${handle} is not there`);
    if (row.live > 0) refuse(`chunk ${handle} has live data`);
    if (row.state === "open" && row.committed > 0) refuse(`chunk ${handle} is still open`);
    return row;
  });
  for (const row of rows) chunks.change(row, "deleting", row.version, row.length, at);
  return null;
}

function forgetChunks({ chunks }: Catalog, { handles }: CommandOf<"forgetChunks">): null {
  for (const handle of handles) {
    if (chunks.get(handle)?.state !== "deleting") refuse(`chunk ${handle} is not being deleted`);
  }
  for (const handle of handles) chunks.forget(handle);
  return null;
}
