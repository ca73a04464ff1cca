import type { ReactNode } from "react";
import { isForbidden } from "../api/http.ts";
import type { Resource } from "../hooks/use-resource.ts";
import { Failure } from "./failure.tsx";
import { Forbidden } from "./forbidden.tsx";
import { SkeletonRows } from "./skeleton.tsx";

interface ResourceCardProps<T> {
  resource: Resource<T>;
  reload(): void;
  /** What is loaded, in the plural: "access keys". */
  what: string;
  rows?: number;
  children(value: T): ReactNode;
}

/** A card for what the server is asked for: grey rows until it is there, then `children`, or why it is not. */
export function ResourceCard<T>({ resource, reload, what, rows = 4, children }: ResourceCardProps<T>) {
  return (
    <div className="card">
      {resource.state === "loading" && <SkeletonRows label={`Loading ${what}`} rows={rows} />}
      {resource.state === "failed" &&
        (isForbidden(resource.error) ? (
          <Forbidden error={resource.error} />
        ) : (
          <Failure what={`The ${what} could not be loaded`} error={resource.error} onRetry={reload} />
        ))}
      {resource.state === "ready" && children(resource.value)}
    </div>
  );
}
