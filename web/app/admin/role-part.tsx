import { type FormEvent, useCallback, useId, useRef, useState } from "react";
import { directory, type Role } from "../api/directory.ts";
import { messageOf } from "../api/http.ts";
import { Button } from "../components/button.tsx";
import { ResourceCard } from "../components/resource-card.tsx";
import { Section } from "../components/section.tsx";
import { useToasts } from "../components/toasts.tsx";
import { useResource } from "../hooks/use-resource.ts";
import { useTask } from "../hooks/use-task.ts";
import { findPlace, lineOf } from "./policy-place.ts";

/** One role and its policy. */
export function RolePart({ name }: { name: string }) {
  const load = useCallback((signal: AbortSignal) => directory.role(name, signal), [name]);
  const { resource, reload } = useResource(load);
  const builtIn = resource.state === "ready" && resource.value.builtIn;
  return (
    <Section title={name} hint={builtIn ? "Built in: it can be read, not changed." : undefined}>
      <ResourceCard resource={resource} reload={reload} what="role">
        {(role) => <PolicyEditor role={role} />}
      </ResourceCard>
    </Section>
  );
}

function PolicyEditor({ role }: { role: Role }) {
  const [text, setText] = useState(() => JSON.stringify(role.document, null, 2));
  const [refused, setRefused] = useState("");
  const { busy, error, run } = useTask();
  const { toast } = useToasts();
  const editor = useRef<HTMLTextAreaElement>(null);
  const id = useId();
  const noteId = `${id}-note`;
  const message = error === undefined ? undefined : messageOf(error);
  const span = message === undefined ? undefined : findPlace(refused, message);

  async function save(event: FormEvent): Promise<void> {
    event.preventDefault();
    const saved = await run(async () => {
      try {
        await directory.updateRole(role.name, text);
      } catch (error) {
        setRefused(text);
        showPlace(findPlace(text, messageOf(error)));
        throw error;
      }
    });
    if (saved) toast("Policy saved");
  }
  /** Selects what is wrong, and scrolls to it. */
  function showPlace(place: { start: number; end: number } | undefined): void {
    const area = editor.current;
    if (!area || !place) return;
    area.focus();
    area.setSelectionRange(place.start, place.end);
    const lines = area.value.split("\n").length;
    area.scrollTop = (area.scrollHeight * (lineOf(text, place.start) - 2)) / lines;
  }
  return (
    <form className="policy" onSubmit={save}>
      <div className={message === undefined ? "field" : "field field-wrong"}>
        <label htmlFor={id}>Policy</label>
        <textarea
          id={id}
          ref={editor}
          className="policy-text"
          rows={Math.min(28, Math.max(10, text.split("\n").length + 1))}
          spellCheck={false}
          autoCapitalize="none"
          readOnly={role.builtIn}
          value={text}
          aria-invalid={message !== undefined || undefined}
          aria-describedby={message === undefined ? undefined : noteId}
          onChange={(event) => setText(event.target.value)}
        />
        {message !== undefined && (
          <p id={noteId} className="field-note breakable" role="alert">
            {span && `Line ${lineOf(refused, span.start)}: `}
            {message}
          </p>
        )}
      </div>
      {!role.builtIn && (
        <div className="page-actions">
          <Button kind="primary" type="submit" busy={busy}>
            Save policy
          </Button>
        </div>
      )}
    </form>
  );
}
