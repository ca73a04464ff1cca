// Whose directory this is (chunkd/FORMAT.md, "Names"): a disk of another cluster or server is refused, not adopted.
import type { Disk } from "../../std/disk.ts";
import { parseFields, readSmallFile, replaceSmallFile } from "../../std/small-file.ts";
import { DirectoryError } from "./errors.ts";
import { chunksDirectory } from "./names.ts";

const FORMAT = 1;
const NAME = "identity.json";
const SERVER_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export interface Identity {
  clusterId: string;
  serverId: string;
}

/**
 * Reads `directory/identity.json`, or writes it when the directory is new; `serverId` undefined takes the one on disk.
 * Throws {@link DirectoryError} for a directory of another cluster, server or newer format.
 */
export async function claimDirectory(
  disk: Disk,
  directory: string,
  wanted: { clusterId: string; serverId: string | undefined },
  newServerId: () => string,
): Promise<Identity> {
  const found = await read(disk, directory);
  if (found === undefined) {
    if ((await disk.list(chunksDirectory(directory))).length > 0) {
      throw new DirectoryError(
        `${directory} holds chunk files but no identity.json: restore that file, or give --dir an empty directory`,
      );
    }
    const identity = { clusterId: wanted.clusterId, serverId: wanted.serverId ?? newServerId() };
    checkId(identity.serverId);
    await replaceSmallFile(disk, directory, NAME, `${JSON.stringify({ format: FORMAT, ...identity })}\n`);
    return identity;
  }
  if (found.clusterId !== wanted.clusterId) {
    throw new DirectoryError(
      `${directory} belongs to cluster ${found.clusterId}, this chunkserver to ${wanted.clusterId}: give --dir another directory, or the right --cluster file`,
    );
  }
  if (wanted.serverId !== undefined && found.serverId !== wanted.serverId) {
    throw new DirectoryError(
      `${directory} belongs to chunkserver ${found.serverId}, not to ${wanted.serverId}: leave out --id, or give --dir another directory`,
    );
  }
  return found;
}

function checkId(serverId: string): void {
  if (!SERVER_ID.test(serverId)) {
    throw new DirectoryError(
      `"${serverId}" is no chunkserver id: use 1 to 64 letters, digits, dots, dashes or underscores`,
    );
  }
}

async function read(disk: Disk, directory: string): Promise<Identity | undefined> {
  const path = `${directory}/${NAME}`;
  const text = await readSmallFile(disk, directory, NAME);
  if (text === undefined) return undefined;
  const fields = parseFields(text);
  if (typeof fields?.format === "number" && fields.format > FORMAT) {
    throw new DirectoryError(
      `${path} has format ${fields.format}, this version of Skerry knows ${FORMAT}: start the newer version that wrote it`,
    );
  }
  const { format, clusterId, serverId } = fields ?? {};
  if (format !== FORMAT || typeof clusterId !== "string" || typeof serverId !== "string") {
    throw new DirectoryError(`${path} is damaged: restore it, or give --dir an empty directory`);
  }
  checkId(serverId);
  return { clusterId, serverId };
}
