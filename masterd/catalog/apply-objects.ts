import type { Extent } from "../../chunkd/protocol/record.ts";
import type { MasterMethods, ObjectRecord } from "../protocol/messages.ts";
import type { Catalog } from "./catalog.ts";
import type { CommandOf, CommandResults } from "./commands.ts";
import { checkCondition, checkSourceCondition } from "./conditions.ts";

type ObjectCommandType = "commitObject" | "deleteObject" | "copyObject";
type ObjectCommand = CommandOf<ObjectCommandType>;

export function applyObjectCommand(
  catalog: Catalog,
  command: ObjectCommand,
): CommandResults[ObjectCommandType] {
  switch (command.type) {
    case "commitObject":
      return commitObject(catalog, command);
    case "deleteObject":
      return deleteObject(catalog, command);
    case "copyObject":
      return copyObject(catalog, command);
  }
}

function commitObject(catalog: Catalog, command: CommandOf<"commitObject">): { modifiedAt: number } {
  const { bucket, key, data, attributes, condition, at } = command;
  const id = catalog.buckets.id(bucket);
  const present = catalog.objects.present(id, key);
  checkCondition(condition, present?.etag);
  catalog.chunks.checkExtents(data.extents);
  putObject(catalog, id, { key, ...data, modifiedAt: at, attributes }, present);
  return { modifiedAt: at };
}

/** Puts `object` in the place of `present`; its extents have been checked. */
export function putObject(
  { objects, chunks }: Catalog,
  bucket: number,
  object: ObjectRecord,
  present: { extents: Extent[] } | undefined,
): void {
  chunks.refer(object.extents);
  objects.put(bucket, object, present === undefined);
  if (present) chunks.unrefer(present.extents);
}

function deleteObject(catalog: Catalog, command: CommandOf<"deleteObject">): { deleted: boolean } {
  const { bucket, key, condition } = command;
  const id = catalog.buckets.id(bucket);
  const present = catalog.objects.present(id, key);
  checkCondition(condition, present?.etag);
  if (!present) return { deleted: false };
  catalog.objects.delete(id, key);
  catalog.chunks.unrefer(present.extents);
  return { deleted: true };
}

function copyObject(
  catalog: Catalog,
  command: CommandOf<"copyObject">,
): MasterMethods["copyObject"]["response"] {
  const { source, sourceCondition, bucket, key, condition, at } = command;
  const id = catalog.buckets.id(bucket);
  const original = catalog.objects.get(catalog.buckets.id(source.bucket), source.key);
  checkSourceCondition(sourceCondition, original);
  const present = catalog.objects.present(id, key);
  checkCondition(condition, present?.etag);
  const attributes = command.attributes ?? original.attributes;
  putObject(catalog, id, { ...original, key, attributes, modifiedAt: at }, present);
  return { etag: original.etag, modifiedAt: at, attributes };
}
