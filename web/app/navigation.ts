import { useSyncExternalStore } from "react";
import { parseRoute, type Route } from "./routes.ts";

const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    removeEventListener("popstate", listener);
  };
}

/** Goes to `path` of this dashboard without a page load. `replacing`: back then leads past where one is now. */
export function navigate(path: string, { replacing = false } = {}): void {
  if (path === location.pathname) return;
  history[replacing ? "replaceState" : "pushState"](null, "", path);
  for (const listener of listeners) listener();
}

/** The place that the address bar names, followed as it changes. */
export function useRoute(): Route {
  const pathname = useSyncExternalStore(subscribe, () => location.pathname);
  return parseRoute(pathname);
}
