import { useCallback, useEffect, useState } from "react";

export type Resource<T> =
  | { state: "loading" }
  | { state: "failed"; error: unknown }
  | { state: "ready"; value: T };

/**
 * Loads by `load` (which must be stable) when shown, and again on `reload`, which keeps the old value on screen
 * until the new one is there.
 */
export function useResource<T>(load: (signal: AbortSignal) => Promise<T>) {
  const [resource, setResource] = useState<Resource<T>>({ state: "loading" });
  const [attempt, setAttempt] = useState(0);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new attempt is a new load
  useEffect(() => {
    const abort = new AbortController();
    load(abort.signal).then(
      (value) => !abort.signal.aborted && setResource({ state: "ready", value }),
      (error: unknown) => !abort.signal.aborted && setResource({ state: "failed", error }),
    );
    return () => abort.abort();
  }, [load, attempt]);

  const reload = useCallback(() => {
    setResource((current) => (current.state === "failed" ? { state: "loading" } : current));
    setAttempt((count) => count + 1);
  }, []);
  return { resource, reload, setResource };
}
