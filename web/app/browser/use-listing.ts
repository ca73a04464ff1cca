import { useCallback, useEffect, useRef, useState } from "react";
import { type ObjectInfo, storage } from "../api/storage.ts";
import { firstPage, type Listing, withObject, withoutRows, withPage } from "./listing.ts";

/** Rows a page. Small enough to show at once, large enough that most folders are one page. */
const PAGE_ROWS = 200;

export type ListingState =
  | { state: "loading" }
  | { state: "failed"; error: unknown }
  | { state: "ready"; listing: Listing; more: "idle" | "loading" | "failed" };

/** The folder `prefix` of `bucket`, only names that begin with `filter`, page by page. */
export function useListing(bucket: string, prefix: string, filter: string) {
  const [state, setState] = useState<ListingState>({ state: "loading" });
  const [attempt, setAttempt] = useState(0);
  const abort = useRef(new AbortController());

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new attempt is a new load
  useEffect(() => {
    const mine = new AbortController();
    abort.current = mine;
    setState({ state: "loading" });
    const options = { prefix: prefix + filter, delimiter: "/", max: PAGE_ROWS } as const;
    storage.listObjects(bucket, options, mine.signal).then(
      (page) => !mine.signal.aborted && setState({ state: "ready", listing: firstPage(page), more: "idle" }),
      (error: unknown) => !mine.signal.aborted && setState({ state: "failed", error }),
    );
    return () => mine.abort();
  }, [bucket, prefix, filter, attempt]);

  const loadMore = useCallback(async () => {
    if (state.state !== "ready" || state.more === "loading" || state.listing.next === undefined) return;
    const { signal } = abort.current;
    setState({ ...state, more: "loading" });
    const options = {
      prefix: prefix + filter,
      delimiter: "/",
      max: PAGE_ROWS,
      after: state.listing.next,
    } as const;
    try {
      const page = await storage.listObjects(bucket, options, signal);
      // Rows may have changed while it loaded: the page joins what is there now.
      setState((now) =>
        now.state === "ready" ? { state: "ready", listing: withPage(now.listing, page), more: "idle" } : now,
      );
    } catch {
      if (!signal.aborted) setState((now) => (now.state === "ready" ? { ...now, more: "failed" } : now));
    }
  }, [state, bucket, prefix, filter]);

  const change = useCallback((edit: (listing: Listing) => Listing) => {
    setState((now) => (now.state === "ready" ? { ...now, listing: edit(now.listing) } : now));
  }, []);
  const stored = useCallback(
    (object: ObjectInfo) =>
      change((listing) =>
        object.key.startsWith(prefix + filter) ? withObject(listing, prefix, object) : listing,
      ),
    [change, prefix, filter],
  );
  const removed = useCallback(
    (ids: ReadonlySet<string>) => change((listing) => withoutRows(listing, ids)),
    [change],
  );
  const reload = useCallback(() => setAttempt((count) => count + 1), []);
  return { state, loadMore, stored, removed, reload };
}
