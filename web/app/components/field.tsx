import { cloneElement, type HTMLAttributes, type ReactElement, useId } from "react";

interface FieldProps {
  label: string;
  /** Rules or hints, shown before anything is wrong. */
  hint?: string;
  /** What is wrong with the value now. */
  problem?: string;
  /** An input, a select or a text area. */
  children: ReactElement<HTMLAttributes<HTMLElement>>;
}

/** An input with its label, hint and problem, wired together for assistive technology. */
export function Field({ label, hint, problem, children }: FieldProps) {
  const id = useId();
  const noteId = `${id}-note`;
  const note = problem ?? hint;
  return (
    <div className={problem ? "field field-wrong" : "field"}>
      <label htmlFor={id}>{label}</label>
      {cloneElement(children, {
        id,
        "aria-invalid": problem !== undefined || undefined,
        "aria-describedby": note === undefined ? undefined : noteId,
      })}
      {note !== undefined && (
        <p id={noteId} className="field-note">
          {note}
        </p>
      )}
    </div>
  );
}
