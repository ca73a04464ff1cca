import { type FormEvent, useState } from "react";
import type { AuditFilter } from "../api/audit.ts";
import { Button } from "../components/button.tsx";
import { Field } from "../components/field.tsx";
import { Icon } from "../components/icon.tsx";

const EMPTY = { actor: "", action: "", outcome: "", since: "", until: "" };
type Given = typeof EMPTY;

/** What is asked for; times are given in the person's own time zone. */
function filterOf({ actor, action, outcome, since, until }: Given): AuditFilter {
  const filter: AuditFilter = {};
  if (actor.trim() !== "") filter.actor = actor.trim();
  if (action.trim() !== "") filter.action = action.trim();
  if (outcome !== "") filter.outcome = outcome as AuditFilter["outcome"];
  if (since !== "") filter.since = new Date(since).getTime();
  if (until !== "") filter.until = new Date(until).getTime();
  return filter;
}

export function AuditFilterForm({ onFilter }: { onFilter(filter: AuditFilter): void }) {
  const [given, setGiven] = useState(EMPTY);
  // On a phone the form would stand where the log begins; a wider window always shows it.
  const [open, setOpen] = useState(false);
  const change = (name: keyof Given) => (event: { target: { value: string } }) =>
    setGiven({ ...given, [name]: event.target.value });
  function apply(event: FormEvent): void {
    event.preventDefault();
    onFilter(filterOf(given));
  }
  const text = { autoComplete: "off", autoCapitalize: "none", spellCheck: false } as const;
  return (
    <search className="card">
      <button type="button" className="filters-fold" aria-expanded={open} onClick={() => setOpen(!open)}>
        Filters
        <Icon name={open ? "up" : "down"} />
      </button>
      <form className={open ? "filters" : "filters filters-folded"} onSubmit={apply}>
        <Field label="Actor">
          <input {...text} placeholder="name or ID" value={given.actor} onChange={change("actor")} />
        </Field>
        <Field label="Action">
          <input {...text} placeholder="auth:Create*" value={given.action} onChange={change("action")} />
        </Field>
        <Field label="Outcome">
          <select value={given.outcome} onChange={change("outcome")}>
            <option value="">any</option>
            <option>allowed</option>
            <option>refused</option>
            <option>failed</option>
          </select>
        </Field>
        <Field label="From">
          <input type="datetime-local" value={given.since} onChange={change("since")} />
        </Field>
        <Field label="Before">
          <input type="datetime-local" value={given.until} onChange={change("until")} />
        </Field>
        <div className="filters-end">
          <Button
            onClick={() => {
              setGiven(EMPTY);
              onFilter({});
            }}
          >
            Clear
          </Button>
          <Button kind="primary" type="submit">
            Filter
          </Button>
        </div>
      </form>
    </search>
  );
}
