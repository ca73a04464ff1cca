import { useState } from "react";
import type { AuditEntry } from "../api/audit.ts";
import { Button } from "../components/button.tsx";
import { Modal } from "../components/modal.tsx";
import { Name } from "../components/name.tsx";
import { NameCell, Table } from "../components/table.tsx";
import { formatMoment, visibleName } from "../format.ts";

const PILLS: Record<string, string> = { allowed: "pill pill-good", refused: "pill pill-bad" };

export function AuditTable({ entries }: { entries: AuditEntry[] }) {
  const [open, setOpen] = useState<AuditEntry>();
  return (
    <>
      <Table
        className="audit-table"
        withActions={false}
        columns={[
          { title: "Action" },
          { title: "Actor", className: "cell-actor" },
          { title: "Outcome", className: "cell-outcome" },
          { title: "Time", className: "cell-time" },
        ]}
      >
        {entries.map((entry) => (
          <tr className="row" key={entry.sequence}>
            <NameCell icon="list" meta={`${actorOf(entry)} · ${formatMoment(entry.time)}`}>
              <div className="audit-name">
                <button type="button" className="row-name" onClick={() => setOpen(entry)}>
                  {visibleName(entry.action)}
                  {entry.count > 1 && ` × ${entry.count}`}
                </button>
                <span className="cell-note breakable">{visibleName(entry.resource)}</span>
              </div>
            </NameCell>
            <td className="cell-actor cell-cut">{actorOf(entry)}</td>
            <td className="cell-outcome">
              <span className={PILLS[entry.outcome] ?? "pill"}>{visibleName(entry.outcome)}</span>
            </td>
            <td className="cell-time">{formatMoment(entry.time)}</td>
          </tr>
        ))}
      </Table>
      {open && <EntryDialog entry={open} onClose={() => setOpen(undefined)} />}
    </>
  );
}

function actorOf({ actor }: AuditEntry): string {
  return visibleName(actor.name || actor.id || actor.kind);
}

function EntryDialog({ entry, onClose }: { entry: AuditEntry; onClose(): void }) {
  const { actor } = entry;
  const details = typeof entry.details === "string" ? entry.details : JSON.stringify(entry.details, null, 2);
  const facts: [string, string][] = [
    ["Time", formatMoment(entry.time)],
    ["Action", entry.action],
    ["Resource", entry.resource],
    ["Outcome", [entry.outcome, entry.code].filter(Boolean).join(": ")],
    ["Actor", [actor.name, actor.kind, actor.id].filter(Boolean).join(" · ")],
    ["Credential", actor.credential],
    ["Address", entry.source],
    ["Client", entry.userAgent],
    ["Request", entry.requestId],
    ["Times", String(entry.count)],
    ["Details", details === "{}" ? "" : details],
    ["Hash", entry.hash],
  ];
  return (
    <Modal
      title={`Entry ${entry.sequence}`}
      onClose={onClose}
      footer={<Button onClick={onClose}>Close</Button>}
    >
      <dl className="facts">
        {facts
          .filter(([, value]) => value !== "")
          .map(([name, value]) => (
            <div key={name} className="fact">
              <dt>{name}</dt>
              <dd>
                <Name>{value}</Name>
              </dd>
            </div>
          ))}
      </dl>
    </Modal>
  );
}
