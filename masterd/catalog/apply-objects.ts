import type { Condition, MasterMethods, ObjectRecord } from "../protocol/messages.ts";
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
  checkPresent(catalog, id, key, condition);
  catalog.chunks.checkExtents(data.extents);
  putObject(catalog, id, { key, ...data, modifiedAt: at, attributes });
  return { modifiedAt: at };
}

/** Throws unless `condition` holds for what is at the key. Most commits have none, and need no look. */
export function checkPresent(
  { objects }: Catalog,
  bucket: number,
  key: string,
  condition: Condition | undefined,
): void {
  if (condition) checkCondition(condition, objects.present(bucket, key)?.etag);
}

/** Puts `object` in the place of what is at its key; its extents have been checked. */
export function putObject({ objects, chunks }: Catalog, bucket: number, object: ObjectRecord): void {
  chunks.refer(object.extents);
  chunks.unrefer(objects.put(bucket, object));
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
  checkPresent(catalog, id, key, condition);
  const attributes = command.attributes ?? original.attributes;
  putObject(catalog, id, { ...original, key, attributes, modifiedAt: at });
  return { etag: original.etag, modifiedAt: at, attributes };
}
