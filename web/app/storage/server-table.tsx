import type { ChunkserverStatus } from "../api/storage.ts";
import { formatBytes, formatCount } from "../format.ts";

export function ServerTable({ servers }: { servers: ChunkserverStatus[] }) {
  if (servers.length === 0) {
    return (
      <div className="placeholder">
        <h2>No chunkserver has registered</h2>
        <p>
          Start one with <code>skerry chunkd</code>; objects can be stored once there are two.
        </p>
      </div>
    );
  }
  return (
    <table className="table server-table">
      <thead>
        <tr>
          <th scope="col">Chunkserver</th>
          <th scope="col">Space</th>
          <th scope="col" className="cell-size">
            Chunks
          </th>
          <th scope="col">State</th>
        </tr>
      </thead>
      <tbody>
        {servers.map((server) => (
          <ServerRow key={server.id} server={server} />
        ))}
      </tbody>
    </table>
  );
}

function ServerRow({ server }: { server: ChunkserverStatus }) {
  const used = Math.max(0, server.totalBytes - server.freeBytes);
  return (
    <tr className="row">
      <th scope="row" className="cell-server">
        <span className="breakable">{server.address}</span>
        <span className="server-id" title={server.id}>
          {server.id}
        </span>
      </th>
      <td className="cell-space">
        <SpaceMeter label={`Used space of ${server.address}`} used={used} total={server.totalBytes} />
        <span className="muted">
          {formatBytes(server.freeBytes)} free of {formatBytes(server.totalBytes)}
        </span>
      </td>
      <td className="cell-size">{formatCount(server.chunks)}</td>
      <td>
        <span className={server.alive ? "pill pill-good" : "pill pill-bad"}>
          {server.alive ? "Alive" : "Down"}
        </span>
      </td>
    </tr>
  );
}

/** Over this share the bar warns. */
const FULL_SHARE = 0.9;

function SpaceMeter({ label, used, total }: { label: string; used: number; total: number }) {
  const share = total === 0 ? 0 : used / total;
  return (
    // biome-ignore lint/a11y/useSemanticElements: every engine draws <meter> its own way, out of reach of style sheets
    <div
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(share * 100)}
      className="meter"
    >
      <span className={share > FULL_SHARE ? "meter-full" : undefined} style={{ width: `${share * 100}%` }} />
    </div>
  );
}
