import { type FormEvent, type ReactNode, useId, useState } from "react";
import { Button, IconButton } from "../components/button.tsx";
import { Link } from "../components/link.tsx";
import { ProblemNotice } from "../components/problem-notice.tsx";
import { useToasts } from "../components/toasts.tsx";
import { useTask } from "../hooks/use-task.ts";
import type { Choices } from "./use-names.ts";

interface ChipListProps {
  /** What one of them is: "role". */
  noun: string;
  names: readonly string[];
  /** Those that may be added; what is in `names` is left out. Without it, the name is typed. */
  choices?: Choices;
  /** Stands where there are no names: the way to the first. */
  none?: ReactNode;
  hrefOf?(name: string): string;
  /** Resolve once the server has done it. */
  onAdd?(name: string): Promise<void>;
  onRemove?(name: string): Promise<void>;
}

/** Names that belong to something: each can be taken away, others added. */
export function ChipList({ noun, names, choices, none, hrefOf, onAdd, onRemove }: ChipListProps) {
  const inputId = useId();
  const [chosen, setChosen] = useState("");
  const { busy, error, run } = useTask();
  const { toast } = useToasts();
  const loading = choices === "loading";
  const open = loading ? undefined : choices?.filter((each) => !names.includes(each));

  async function add(event: FormEvent): Promise<void> {
    event.preventDefault();
    const name = chosen.trim();
    if (name === "" || !onAdd) return;
    if (!(await run(() => onAdd(name)))) return;
    setChosen("");
    toast(`${name} added`);
  }
  async function remove(name: string): Promise<void> {
    if (onRemove && (await run(() => onRemove(name)))) toast(`${name} removed`);
  }
  return (
    <div className="card chip-card">
      {names.length === 0 && <p className="muted">{none || "None"}</p>}
      {names.length > 0 && (
        <ul className="chips">
          {names.map((name) => (
            <li key={name} className="chip">
              {hrefOf ? <Link href={hrefOf(name)}>{name}</Link> : name}
              {onRemove && (
                <IconButton icon="close" label={`Remove the ${noun} ${name}`} onClick={() => remove(name)} />
              )}
            </li>
          ))}
        </ul>
      )}
      {error !== undefined && <ProblemNotice error={error} />}
      {onAdd && !loading && (open === undefined || open.length > 0) && (
        <form className="chip-form" onSubmit={add}>
          <label htmlFor={inputId}>Add a {noun}</label>
          {open ? (
            <select id={inputId} value={chosen} onChange={(event) => setChosen(event.target.value)}>
              <option value="">Choose…</option>
              {open.map((each) => (
                <option key={each}>{each}</option>
              ))}
            </select>
          ) : (
            <input
              id={inputId}
              autoComplete="off"
              autoCapitalize="none"
              spellCheck={false}
              value={chosen}
              onChange={(event) => setChosen(event.target.value)}
            />
          )}
          <Button type="submit" busy={busy}>
            Add
          </Button>
        </form>
      )}
    </div>
  );
}
