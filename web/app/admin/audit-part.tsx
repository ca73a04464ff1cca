import { useCallback, useState } from "react";
import { type AuditFilter, audit } from "../api/audit.ts";
import { Button } from "../components/button.tsx";
import { Icon } from "../components/icon.tsx";
import { Placeholder } from "../components/placeholder.tsx";
import { ResourceCard } from "../components/resource-card.tsx";
import { Section } from "../components/section.tsx";
import { useResource } from "../hooks/use-resource.ts";
import { AuditFilterForm } from "./audit-filter-form.tsx";
import { AuditTable } from "./audit-table.tsx";
import { VerifySection } from "./verify-section.tsx";

/** Who did what, newest first. */
export function AuditPart() {
  const [filter, setFilter] = useState<AuditFilter>({});
  return (
    <>
      <Section
        title="Who did what"
        hint="Newest first."
        actions={
          <a className="button button-secondary" href={audit.exportPath(filter)} download>
            <Icon name="download" size={18} />
            Export
          </a>
        }
      >
        <AuditFilterForm onFilter={setFilter} />
        <Entries key={JSON.stringify(filter)} filter={filter} />
      </Section>
      <VerifySection />
    </>
  );
}

/** Pages, one at a time: `starts` has the beginning of this one and of those before it. */
function Entries({ filter }: { filter: AuditFilter }) {
  const [starts, setStarts] = useState<readonly (number | undefined)[]>([undefined]);
  const before = starts.at(-1);
  const load = useCallback((signal: AbortSignal) => audit.entries(filter, before, signal), [filter, before]);
  const { resource, reload } = useResource(load);
  const next = resource.state === "ready" ? resource.value.next : undefined;
  return (
    <>
      <ResourceCard resource={resource} reload={reload} what="audit log" rows={6}>
        {({ entries }) =>
          entries.length > 0 ? (
            <AuditTable entries={entries} />
          ) : (
            <Placeholder icon="list" title="No entries">
              <p>
                {Object.keys(filter).length === 0
                  ? "Refusals and changes will be listed here."
                  : "Nothing in the log matches. Clear the filters to see all of it."}
              </p>
            </Placeholder>
          )
        }
      </ResourceCard>
      {(starts.length > 1 || next !== undefined) && (
        <nav className="pager" aria-label="Pages of the audit log">
          <Button disabled={starts.length === 1} onClick={() => setStarts((all) => all.slice(0, -1))}>
            Newer
          </Button>
          <Button disabled={next === undefined} onClick={() => setStarts((all) => [...all, next])}>
            Older
          </Button>
        </nav>
      )}
    </>
  );
}
