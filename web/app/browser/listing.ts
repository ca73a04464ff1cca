// What is known of one folder of a bucket: the pages loaded so far and the changes made here since.
import type { ObjectInfo, ObjectPage } from "../api/storage.ts";
import { compareKeys } from "../format.ts";

export interface Listing {
  objects: readonly ObjectInfo[];
  /** Common prefixes, full, each ending in "/". */
  folders: readonly string[];
  /** Where the next page starts; undefined when all is loaded. */
  next: string | undefined;
  /** More than one page was loaded: rows keep the storage's order, so that a new page only ever adds at the end. */
  paged: boolean;
}

export type Row =
  | { kind: "folder"; id: string; name: string }
  | { kind: "object"; id: string; name: string; object: ObjectInfo };

export function firstPage(page: ObjectPage): Listing {
  return {
    objects: page.objects,
    folders: page.commonPrefixes,
    next: page.next,
    paged: page.next !== undefined,
  };
}

export function withPage(listing: Listing, page: ObjectPage): Listing {
  const known = new Set([...listing.folders, ...listing.objects.map((object) => object.key)]);
  return {
    objects: [...listing.objects, ...page.objects.filter((object) => !known.has(object.key))],
    folders: [...listing.folders, ...page.commonPrefixes.filter((folder) => !known.has(folder))],
    next: page.next,
    paged: true,
  };
}

/** The listing of `prefix` after `object` was stored; unchanged where it belongs to another place or a later page. */
export function withObject(listing: Listing, prefix: string, object: ObjectInfo): Listing {
  if (!object.key.startsWith(prefix)) return listing;
  const slash = object.key.indexOf("/", prefix.length);
  const folder = slash < 0 ? undefined : object.key.slice(0, slash + 1);
  if (listing.next !== undefined && compareKeys(folder ?? object.key, listing.next) > 0) return listing;
  if (folder !== undefined) {
    if (listing.folders.includes(folder)) return listing;
    return { ...listing, folders: [...listing.folders, folder].sort(compareKeys) };
  }
  const others = listing.objects.filter((other) => other.key !== object.key);
  return { ...listing, objects: [...others, object].sort((a, b) => compareKeys(a.key, b.key)) };
}

/** Without the rows `ids` (keys and folder prefixes). */
export function withoutRows(listing: Listing, ids: ReadonlySet<string>): Listing {
  return {
    ...listing,
    objects: listing.objects.filter((object) => !ids.has(object.key)),
    folders: listing.folders.filter((folder) => !ids.has(folder)),
  };
}

/** The ids from `one` to `other`, both included, whichever comes first; none where one of them is not there. */
export function idsBetween(rows: readonly Row[], one: string | undefined, other: string): string[] {
  const places = [one, other].map((id) => rows.findIndex((row) => row.id === id)).sort((a, b) => a - b);
  return places[0] === -1 ? [] : rows.slice(places[0], places[1]! + 1).map((row) => row.id);
}

/** The rows below `prefix`: folders first while there is one page, else all in the storage's order. */
export function rowsOf(listing: Listing, prefix: string): Row[] {
  const folders = listing.folders.map(
    (folder): Row => ({ kind: "folder", id: folder, name: folder.slice(prefix.length, -1) }),
  );
  const objects = listing.objects.map(
    (object): Row => ({ kind: "object", id: object.key, name: object.key.slice(prefix.length), object }),
  );
  const rows = [...folders, ...objects];
  return listing.paged ? rows.sort((a, b) => compareKeys(a.id, b.id)) : rows;
}
