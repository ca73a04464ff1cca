import { useEffect } from "react";
import { type StorageStatus, storage } from "../api/storage.ts";
import { Failure } from "../components/failure.tsx";
import { Notice } from "../components/notice.tsx";
import { PageHeading } from "../components/page-heading.tsx";
import { SkeletonRows } from "../components/skeleton.tsx";
import { formatCount, formatPlural } from "../format.ts";
import { useResource } from "../hooks/use-resource.ts";
import { ServerTable } from "../storage/server-table.tsx";

const REFRESH_MS = 5000;

/** How the storage is: its chunkservers, its space, its replicas. */
export function StoragePage() {
  const { resource, reload } = useResource(storage.status);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && reload(), REFRESH_MS);
    return () => clearInterval(timer);
  }, [reload]);
  return (
    <section className="page">
      <PageHeading title="Storage" hint="Three copies of everything, on the chunkservers below" />
      {resource.state === "loading" && (
        <div className="card">
          <SkeletonRows label="Loading the storage status" rows={4} />
        </div>
      )}
      {resource.state === "failed" && (
        <div className="card">
          <Failure what="The storage status could not be read" error={resource.error} onRetry={reload} />
        </div>
      )}
      {resource.state === "ready" && <Overview value={resource.value} />}
    </section>
  );
}

function Overview({ value }: { value: StorageStatus }) {
  const alive = value.servers.filter((server) => server.alive).length;
  const chunks = value.chunks.open + value.chunks.sealed;
  return (
    <>
      {alive < value.servers.length && (
        <Notice>
          {formatPlural(value.servers.length - alive, "chunkserver")} of {value.servers.length} did not
          answer. Its data is copied to others while there are enough of them.
        </Notice>
      )}
      <ul className="stats">
        <Stat name="Chunkservers alive" value={`${alive} of ${value.servers.length}`} />
        <Stat name="Buckets" value={formatCount(value.buckets)} />
        <Stat name="Objects" value={formatCount(value.objects)} />
        <Stat name="Chunks" value={formatCount(chunks)} />
        <Stat name="Short of copies" value={formatCount(value.chunks.underReplicated)} />
      </ul>
      <div className="card">
        <ServerTable servers={value.servers} />
      </div>
    </>
  );
}

function Stat({ name, value }: { name: string; value: string }) {
  return (
    <li className="stat">
      <span className="stat-value">{value}</span>
      <span className="stat-name">{name}</span>
    </li>
  );
}
